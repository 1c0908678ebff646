#!/bin/sh
# A Generic Script: run with one verb as its argument. Exit status 0 is success or healthy, 3 means that there is
# nothing to do for this verb. stead gives it STEAD_RESOURCE_NAME and each property as STEAD_PROPERTY_….

spool="${TMPDIR:-/tmp}/stead-quickstart-$STEAD_RESOURCE_NAME-$(id -u)"

case $1 in
    Online) mkdir -p "$spool" ;;
    Offline | Terminate) rm -rf "$spool" ;;
    LooksAlive | IsAlive) test -d "$spool" ;;
    *) exit 3 ;;
esac
