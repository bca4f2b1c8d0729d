/* A look-alike of NVIDIA's management library for tests: exports its symbols and plays a script.
 *
 * NVML_PLAY names the script, read anew at every call. A line: FROM DEVICE KEY VALUE
 *   FROM    the tick from which it holds; later lines win. A tick passes with each memory reading of device 0
 *           (reading n is tick n - 1).
 *   DEVICE  index, or - for the library
 *   KEY     count init init_fails (so often) error needs_inits (fails until initialised so often) total free
 *           util mem_util temp power sm_clock mem_clock throttle ecc procs graphics xid display name;
 *           hang (VALUE: the symbol that never comes back)
 *   VALUE   numbers; memory in MiB; procs and graphics "PID:MIB,PID:NA", not set = no process there,
 *           "-" = NOT_SUPPORTED; error and init: an NVML error code
 *   pool: VALUE is a folder whose files say, in MiB, what is drawn from the card: each is named for the process that
 *           holds it (gone with it), or in letters for another program. It answers free and procs.
 * A key that no line sets answers NOT_SUPPORTED. Compiled with -DOLD_DRIVER, newer symbols are missing.
 */
#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OK 0
#define NOT_SUPPORTED 3
#define INSUFFICIENT_SIZE 7
#define TIMED_OUT 10
#define MIB (1024ull * 1024ull)

typedef unsigned long long u64;
typedef struct { u64 total, free, used; } memory_t;
typedef struct { unsigned gpu, memory; } utilization_t;
typedef struct { unsigned pid; u64 used; unsigned gpu_instance, compute_instance; } process_t;
typedef struct { void *device; u64 type, data; unsigned gpu_instance, compute_instance; } event_t;

static int readings = 0;
static int xids_told = 0;
static int inits = 0;
static int handles[16];

static int tick(void) { return readings > 0 ? readings - 1 : 0; }
static int index_of(void *handle) { return (int)((int *)handle - handles); }

static int look_up(int device, const char *key, char *value, size_t size) {
    const char *path = getenv("NVML_PLAY");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[512], who[16], name[64], text[256];
    int from, found = 0;
    if (!file) return 0;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%d %15s %63s %255[^\n]", &from, who, name, text) != 4) continue;
        if (from > tick() || strcmp(name, key)) continue;
        if (device < 0 ? strcmp(who, "-") : (strcmp(who, "-") == 0 || atoi(who) != device)) continue;
        snprintf(value, size, "%s", text);
        found = 1;
    }
    fclose(file);
    return found;
}

static void maybe_hang(const char *symbol) {
    char value[256];
    if (look_up(-1, "hang", value, sizeof value) && !strcmp(value, symbol))
        for (;;) sleep(3600);
}

static int error_of(int device) {
    char value[256];
    if (look_up(device, "needs_inits", value, sizeof value) && inits < atoi(value)) return 1;
    return look_up(device, "error", value, sizeof value) ? atoi(value) : OK;
}

/* What the files of a pool say; `list` gets the processes. */
static u64 drawn(const char *folder, unsigned *count, void *list);

static int number(void *handle, const char *key, u64 *out) {
    char value[256];
    int device = index_of(handle), error = error_of(device);
    if (error) return error;
    if (!look_up(device, key, value, sizeof value)) return NOT_SUPPORTED;
    *out = strtoull(value, NULL, 0);
    return OK;
}

static int small_number(void *handle, const char *key, unsigned *out) {
    u64 value = 0;
    int status = number(handle, key, &value);
    if (status == OK) *out = (unsigned)value;
    return status;
}

int nvmlInitWithFlags(unsigned flags) {
    char value[256];
    (void)flags;
    inits++;
    maybe_hang("nvmlInit");
    if (look_up(-1, "init_fails", value, sizeof value) && inits <= atoi(value)) return 999;
    return look_up(-1, "init", value, sizeof value) ? atoi(value) : OK;
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return OK; }

const char *nvmlErrorString(int code) {
    static char text[64];
    snprintf(text, sizeof text, "played error %d", code);
    return text;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    char value[256];
    *count = look_up(-1, "count", value, sizeof value) ? (unsigned)atoi(value) : 1;
    return OK;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    *device = &handles[index];
    return OK;
}
int nvmlDeviceGetIndex(void *device, unsigned *index) {
    *index = (unsigned)index_of(device);
    return OK;
}
int nvmlSystemGetDriverVersion(char *text, unsigned size) {
    snprintf(text, size, "550.54");
    return OK;
}
int nvmlDeviceGetName(void *device, char *text, unsigned size) {
    char value[256];
    if (look_up(index_of(device), "name", value, sizeof value)) snprintf(text, size, "%s", value);
    else snprintf(text, size, "Played Card %d", index_of(device));
    return OK;
}
int nvmlDeviceGetUUID(void *device, char *text, unsigned size) {
    snprintf(text, size, "GPU-%d", index_of(device));
    return OK;
}
int nvmlDeviceGetDisplayActive(void *device, unsigned *active) { return small_number(device, "display", active); }

int nvmlDeviceGetMemoryInfo(void *device, memory_t *memory) {
    u64 total = 0, left = 0;
    int status;
    if (index_of(device) == 0) readings++;
    maybe_hang("nvmlDeviceGetMemoryInfo");
    char folder[256];
    status = number(device, "total", &total);
    if (status == OK && look_up(index_of(device), "pool", folder, sizeof folder)) {
        unsigned none = 0;
        u64 used = drawn(folder, &none, NULL);
        left = used < total ? total - used : 0;
    } else if (status == OK) {
        status = number(device, "free", &left);
    }
    memory->total = total * MIB;
    memory->free = left * MIB;
    memory->used = (total - left) * MIB;
    return status;
}
int nvmlDeviceGetUtilizationRates(void *device, utilization_t *use) {
    int status = small_number(device, "util", &use->gpu);
    return status ? status : small_number(device, "mem_util", &use->memory);
}
int nvmlDeviceGetTemperature(void *device, unsigned sensor, unsigned *out) {
    (void)sensor;
    return small_number(device, "temp", out);
}
int nvmlDeviceGetPowerUsage(void *device, unsigned *out) { return small_number(device, "power", out); }
int nvmlDeviceGetClockInfo(void *device, unsigned type, unsigned *out) {
    return small_number(device, type == 2 ? "mem_clock" : "sm_clock", out);
}
int nvmlDeviceGetTotalEccErrors(void *device, unsigned type, unsigned counter, u64 *out) {
    (void)type;
    (void)counter;
    return number(device, "ecc", out);
}
#ifdef OLD_DRIVER
int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, u64 *out) { return number(device, "throttle", out); }
#else
int nvmlDeviceGetCurrentClocksEventReasons(void *device, u64 *out) { return number(device, "throttle", out); }
#endif

static u64 drawn(const char *folder, unsigned *count, void *list) {
    process_t *processes = list;
    unsigned room = *count, n = 0;
    u64 sum = 0;
    DIR *directory = opendir(folder);
    struct dirent *entry;
    *count = 0;
    if (!directory) return 0;
    while ((entry = readdir(directory))) {
        char path[600];
        unsigned long long mib = 0;
        FILE *file;
        int pid = isdigit((unsigned char)entry->d_name[0]) ? atoi(entry->d_name) : 0;
        if (entry->d_name[0] == '.' || strchr(entry->d_name, '.')) continue;
        if (pid && kill(pid, 0)) continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        file = fopen(path, "r");
        if (!file) continue;
        if (fscanf(file, "%llu", &mib) != 1) mib = 0;
        fclose(file);
        sum += mib;
        if (!mib) continue;
        if (processes && n < room) {
            processes[n].pid = pid ? (unsigned)pid : 1u;
            processes[n].used = mib * MIB;
            processes[n].gpu_instance = processes[n].compute_instance = ~0u;
        }
        n++;
    }
    closedir(directory);
    *count = n;
    return sum;
}

static int processes(void *device, const char *key, unsigned *count, process_t *list) {
    char value[256], *part, *rest = value;
    unsigned room = *count, n = 0;
    int error = error_of(index_of(device));
    if (error) return error;
    if (!strcmp(key, "procs") && look_up(index_of(device), "pool", value, sizeof value)) {
        *count = list ? room : 0;
        drawn(value, count, list);
        return list && room >= *count ? OK : INSUFFICIENT_SIZE;
    }
    if (!look_up(index_of(device), key, value, sizeof value)) {
        *count = 0;
        return OK;
    }
    if (!strcmp(value, "-")) return NOT_SUPPORTED;
    while ((part = strsep(&rest, ","))) {
        char *memory = strchr(part, ':');
        if (list && n < room) {
            list[n].pid = (unsigned)atoi(part);
            list[n].used = memory && strcmp(memory, ":NA") ? strtoull(memory + 1, NULL, 0) * MIB : ~0ull;
            list[n].gpu_instance = list[n].compute_instance = ~0u;
        }
        n++;
    }
    *count = n;
    return list && room >= n ? OK : INSUFFICIENT_SIZE;
}
#ifdef OLD_DRIVER
int nvmlDeviceGetComputeRunningProcesses_v2(void *d, unsigned *n, process_t *l) { return processes(d, "procs", n, l); }
#else
int nvmlDeviceGetComputeRunningProcesses_v3(void *d, unsigned *n, process_t *l) { return processes(d, "procs", n, l); }
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *d, unsigned *n, process_t *l) {
    return processes(d, "graphics", n, l);
}
#endif

int nvmlEventSetCreate(void **set) {
    *set = &xids_told;
    return OK;
}
int nvmlEventSetFree(void *set) {
    (void)set;
    return OK;
}
int nvmlDeviceRegisterEvents(void *device, u64 types, void *set) {
    (void)device;
    (void)types;
    (void)set;
    return OK;
}
int nvmlEventSetWait_v2(void *set, event_t *event, unsigned timeout) {
    char value[256];
    int device;
    (void)set;
    (void)timeout;
    for (device = 0; device < 16; device++) {
        if (!(xids_told & (1 << device)) && look_up(device, "xid", value, sizeof value)) {
            xids_told |= 1 << device;
            event->device = &handles[device];
            event->type = 8;
            event->data = strtoull(value, NULL, 0);
            return OK;
        }
    }
    return TIMED_OUT;
}
