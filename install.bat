@echo off
rem Installs dflwrap, or upgrades it. Drop the folder of your DeepFaceLab onto it, and its scripts are written too.
setlocal EnableExtensions DisableDelayedExpansion
set "DFLWRAP_STARTED_AS=%cmdcmdline:"=?%"
set "DFLWRAP_PY="
for %%v in (3.13 3.12 3.11) do call :try py -%%v
call :try python
if not defined DFLWRAP_PY goto missing
%DFLWRAP_PY% "%~dp0scripts\install.py" %*
set "DFLWRAP_CODE=%errorlevel%"
goto end
:missing
echo Python 3.11, 3.12 or 3.13 was not found. Get one with "winget install Python.Python.3.13"
echo or from https://www.python.org/downloads/windows/ and start this again.
set "DFLWRAP_CODE=2"
:end
rem Where cmd was started for this script alone its window closes with it: wait for a key, ten minutes at most.
set "DFLWRAP_STARTED_AS=%DFLWRAP_STARTED_AS:"=%"
if not "%DFLWRAP_STARTED_AS:install.bat=%"=="%DFLWRAP_STARTED_AS%" timeout /t 600
exit /b %DFLWRAP_CODE%

:try
if defined DFLWRAP_PY exit /b 0
%* -c "" >nul 2>nul
if "%errorlevel%"=="0" set "DFLWRAP_PY=%*"
exit /b 0
