@echo off
rem Install the course from this folder, without a network, and open it.
cd /d "%~dp0course" || exit /b 1
if not exist .venv\.stick-installed (
    py -3 -m venv .venv || python -m venv .venv || exit /b 1
    echo Installing from the stick: a few minutes, and only once ...
    .venv\Scripts\python -m pip --disable-pip-version-check -q install --no-index --find-links ..\packages --require-hashes -r requirements.lock || exit /b 1
    .venv\Scripts\python -m pip --disable-pip-version-check -q install --no-index --no-deps --no-build-isolation -e . || exit /b 1
    type nul > .venv\.stick-installed
)
.venv\Scripts\python -m unet_helpers lab %*
