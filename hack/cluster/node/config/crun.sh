#!/bin/sh
# Debian 12's crun takes specifications of version 1.0 only, and containerd writes newer ones.
previous=
for argument; do
  if [ "$previous" = --bundle ]; then
    sed -i 's/"ociVersion":"[^"]*"/"ociVersion":"1.0.2"/' "$argument/config.json"
  fi
  previous=$argument
done
# Nor does it take a machine whose controllers are in both versions of control groups: it sees one.
unified=/sys/fs/cgroup/unified
if grep -q . $unified/cgroup.controllers 2>/dev/null; then
  exec unshare --mount sh -c 'umount "$0" && exec "$@"' $unified {{.CrunOCI}} "$@"
fi
exec {{.CrunOCI}} "$@"
