# A proxy serves the project below /shop and takes that off the paths.
FORCE_SCRIPT_NAME = "/shop"
