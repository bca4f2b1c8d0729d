/* Stands in for python.exe under Wine: hands its command line to the test and takes its exit code from there. */
#include <windows.h>
#include <shellapi.h>
#include <stdio.h>

static void put(HANDLE file, const WCHAR *text)
{
    char bytes[32768];
    DWORD written;
    int length = WideCharToMultiByte(CP_UTF8, 0, text, -1, bytes, sizeof bytes, NULL, NULL);
    if (length > 0)
        WriteFile(file, bytes, length, &written, NULL); /* with its closing zero */
}

int main(void)
{
    WCHAR folder[MAX_PATH], part[MAX_PATH], request[MAX_PATH], answer[MAX_PATH], here[MAX_PATH];
    int count, i, code = 99;
    WCHAR **words = CommandLineToArgvW(GetCommandLineW(), &count);
    HANDLE file;
    if (!GetEnvironmentVariableW(L"STANDIN", folder, MAX_PATH - 16))
        return 98;
    swprintf(part, MAX_PATH, L"%ls\\request.part", folder);
    swprintf(request, MAX_PATH, L"%ls\\request", folder);
    swprintf(answer, MAX_PATH, L"%ls\\answer", folder);
    file = CreateFileW(part, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    if (file == INVALID_HANDLE_VALUE)
        return 97;
    GetCurrentDirectoryW(MAX_PATH, here);
    put(file, here);
    for (i = 0; i < count; i++)
        put(file, words[i]);
    CloseHandle(file);
    MoveFileW(part, request);
    for (i = 0; i < 6000; i++) { /* ten minutes */
        FILE *said = _wfopen(answer, L"r");
        if (said) {
            fscanf(said, "%d", &code);
            fclose(said);
            DeleteFileW(answer);
            return code;
        }
        Sleep(100);
    }
    return 96;
}
