@echo off
rem Written by: dflwrap scripts install (generic)
rem Extracts the faces of data_src. Nothing is asked; with --ask DeepFaceLab's questions are. A folder of frames, or a video, may be dropped onto this file.
setlocal EnableExtensions DisableDelayedExpansion
set "DFLWRAP_PYTHON=%USERPROFILE%\.dflwrap\env\Scripts\python.exe"
if not exist "%DFLWRAP_PYTHON%" goto missing
set "DFLWRAP_STARTED_AS=%cmdcmdline:"=?%"
"%DFLWRAP_PYTHON%" -I -m dflwrap extract --dfl-root "%~dp0." --clip data_src --on-conflict set-aside %*
set "DFLWRAP_CODE=%errorlevel%"
"%DFLWRAP_PYTHON%" -I -m dflwrap.cli.window
if not "%errorlevel%"=="0" goto end
pause
rem Not "exit /b": what stands behind an "&" in the name of a dropped folder would be run as a command.
exit %DFLWRAP_CODE%
:missing
echo dflwrap is not here any more: "%DFLWRAP_PYTHON%"
echo Install it again, then run: dflwrap scripts install
set "DFLWRAP_CODE=2"
rem Waits for a key where a person can press one; at once done where the input is not a keyboard.
timeout /t 60
:end
exit /b %DFLWRAP_CODE%
