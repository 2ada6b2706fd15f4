#!/bin/bash
# on_loop_disk.sh PROGRAM [ARGUMENT...]: runs a program that gets a disk of its own to break.
#
# An ext4 in a file on a small tmpfs; the program finds in its environment
#
#     FLORIN_DISK      where the ext4 is mounted
#     FLORIN_BACKING   where the tmpfs is mounted: when that is full, the ext4's writes fail
#
# and calls "on_loop_disk.sh remount" to unmount, check and mount it again; then the ext4's file has
# holes where it is zero, so that a write there needs room below.
#
# Needs root, mount and loop devices. Where they are not there it fails, unless FLORIN_NO_LOOP=1 says that
# this is known: then it ends with 77, which ctest shows as skipped. The mounts live in a namespace of
# their own and end with its last process, whatever ends that.
set -euo pipefail

disk_mib=96
# More than the disk takes when it is full, with the metadata of both.
backing_mib=128

give_up() {
    if [ "${FLORIN_NO_LOOP-}" = 1 ]; then
        echo "on_loop_disk: $1; left out, as FLORIN_NO_LOOP=1 says"
        exit 77
    fi
    echo "on_loop_disk: $1; set FLORIN_NO_LOOP=1 to leave this test out" >&2
    exit 1
}

mount_disk() {
    mount -o loop -t ext4 "$FLORIN_DISK_IMAGE" "$FLORIN_DISK"
}

if [ "$1" = remount ]; then
    umount "$FLORIN_DISK"
    # 1: errors were found and corrected, as after a power failure
    status=0
    fsck.ext4 -fy "$FLORIN_DISK_IMAGE" >/dev/null 2>&1 || status=$?
    [ "$status" -le 1 ]
    fallocate --dig-holes "$FLORIN_DISK_IMAGE"
    mount_disk
    exit
fi

if [ "${FLORIN_OWN_MOUNTS-}" != 1 ]; then
    [ "$(id -u)" -eq 0 ] || give_up "mounting needs root"
    command -v mkfs.ext4 >/dev/null || give_up "there is no mkfs.ext4"
    unshare --mount true 2>/dev/null || give_up "this machine allows no mounts"
    FLORIN_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi

place=$(mktemp -d "${TMPDIR:-/tmp}/florin-disk-XXXXXX")
clean_up() {
    # What is still busy goes with the namespace.
    umount "$place/disk" 2>/dev/null || umount --lazy "$place/disk" 2>/dev/null || true
    umount "$place/backing" 2>/dev/null || umount --lazy "$place/backing" 2>/dev/null || true
    rm -rf "$place"
}
trap clean_up EXIT

export FLORIN_DISK=$place/disk FLORIN_BACKING=$place/backing FLORIN_DISK_IMAGE=$place/backing/image
mkdir "$FLORIN_DISK" "$FLORIN_BACKING"
mount -t tmpfs -o "size=${backing_mib}m" florin "$FLORIN_BACKING" || give_up "there is no tmpfs"
truncate --size "${disk_mib}M" "$FLORIN_DISK_IMAGE"
# Blocks of 4 KiB, so that the least write of the server is one page of the tmpfs: of a write that finds
# room for its first page only, the loop driver of Linux 6.18 says that all was written. What mkfs
# leaves for later is done now: nothing but the program writes to the disk.
mkfs.ext4 -q -F -b 4096 -E lazy_itable_init=0,lazy_journal_init=0 "$FLORIN_DISK_IMAGE"
mount_disk || give_up "this machine has no loop device for a mount"

"$@"
