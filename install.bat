@echo off
rem Installs dflwrap, or upgrades it. Drop the folder of your DeepFaceLab onto it, and its scripts are written too.
setlocal DisableDelayedExpansion
set "DFLWRAP_PYTHON="
for %%v in (3.13 3.12 3.11) do if not defined DFLWRAP_PYTHON py -%%v -c "" >nul 2>nul && set "DFLWRAP_PYTHON=py -%%v"
if not defined DFLWRAP_PYTHON python -c "" >nul 2>nul && set "DFLWRAP_PYTHON=python"
if not defined DFLWRAP_PYTHON goto missing
%DFLWRAP_PYTHON% "%~dp0scripts\install.py" %*
set "DFLWRAP_CODE=%errorlevel%"
goto end
:missing
echo Python 3.11, 3.12 or 3.13 was not found. Get one with "winget install Python.Python.3.13" or from https://www.python.org/downloads/windows/
set "DFLWRAP_CODE=2"
:end
rem Waits for a key where a person can press one; at once done where the input is not a keyboard.
timeout /t 600
exit /b %DFLWRAP_CODE%
