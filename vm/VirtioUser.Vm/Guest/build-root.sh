# shellcheck shell=sh
# Runs a command in a tree, in the mount namespace that the caller made:
# TREE [NAME FOLDER]... -- COMMAND [ARGUMENT]...
tree=$1
shift
mount --bind "$tree" "$tree"
mount -t tmpfs tmpfs "$tree/mnt"
mount -t tmpfs tmpfs "$tree/tmp"
mount -t proc proc "$tree/proc"
mount --rbind /dev "$tree/dev"
while [ "$1" != -- ]; do
	mkdir "$tree/mnt/$1"
	mount --bind "$2" "$tree/mnt/$1"
	shift 2
done
shift
mount -o remount,bind,ro "$tree"
exec chroot "$tree" /usr/bin/env --ignore-environment PATH=/usr/sbin:/usr/bin HOME=/root LC_ALL=C "$@"
