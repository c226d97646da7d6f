#!/usr/bin/env bash
# Makes .venv complete: system packages, pinned Python packages, Horovod from source (kept as a wheel). Safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."

VENV=.venv
CACHE="${REPLEN_CACHE:-${XDG_CACHE_HOME:-${HOME:-$PWD}/.cache}/replen}"
HOROVOD=0.28.1
CONSTRAINTS=.toolchain/constraints.txt
STAMP="$VENV/.complete-$(cat setup.py "$CONSTRAINTS" "$0" | sha256sum | cut -c1-16)"

say() { printf 'set-up: %s\n' "$*"; }

java_major() { java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p'; }

missing_packages() {
  [ "$(java_major 2>/dev/null || echo 0)" -ge 17 ] 2>/dev/null || echo default-jre-headless
  command -v g++ >/dev/null || echo g++
  command -v cmake >/dev/null || echo cmake
  command -v make >/dev/null || echo make
  python3.11 -c 'import ensurepip' 2>/dev/null || echo python3.11 python3.11-venv
}

install_system_packages() {
  local packages
  packages=$(missing_packages | tr '\n' ' ')
  [ -z "${packages// /}" ] && return
  local line="apt-get update && apt-get install -y --no-install-recommends $packages"
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing $packages"
    # shellcheck disable=SC2086
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages && return
  fi
  say "missing: $packages" >&2
  say "type this, then run the command again:  sudo sh -c '$line'" >&2
  exit 1
}

build_horovod() {  # its XLA operations need headers that TensorFlow no longer ships; they are off by default
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  say "building Horovod $HOROVOD from its source package (2-4 minutes, once)"
  "$VENV/bin/pip" download -q --no-deps --no-binary :all: --no-build-isolation -d "$work" "horovod==$HOROVOD"
  tar -xzf "$work/horovod-$HOROVOD.tar.gz" -C "$work"
  sed -i '/xla_mpi_ops.cc/d' "$work/horovod-$HOROVOD/horovod/tensorflow/CMakeLists.txt"
  if ! HOROVOD_WITH_TENSORFLOW=1 HOROVOD_WITH_GLOO=1 HOROVOD_WITHOUT_MPI=1 HOROVOD_WITHOUT_PYTORCH=1 HOROVOD_WITHOUT_MXNET=1 \
    "$VENV/bin/pip" wheel -q --no-deps --no-build-isolation -w "$1" "$work/horovod-$HOROVOD" >"$work/build.log" 2>&1; then
    tail -n 40 "$work/build.log" >&2
    exit 1
  fi
}

install_python_packages() {
  [ -x "$VENV/bin/pip" ] || python3.11 -m venv --clear "$VENV"
  say "installing pinned Python packages into $VENV (1-3 minutes the first time)"
  "$VENV/bin/pip" install -q -c "$CONSTRAINTS" setuptools wheel
  "$VENV/bin/pip" install -q -c "$CONSTRAINTS" --no-build-isolation -e ".[cpu,sql,peers,dev]"
}

install_horovod() {  # the wheel is compiled against one TensorFlow: its name is the folder's
  local tensorflow wheels
  tensorflow=$("$VENV/bin/python" -c 'from importlib.metadata import version; print(version("tensorflow-cpu"))')
  wheels="$CACHE/horovod-$HOROVOD-tensorflow-$tensorflow"
  ls "$wheels"/horovod-*.whl >/dev/null 2>&1 || { mkdir -p "$wheels" && build_horovod "$wheels"; }
  "$VENV/bin/pip" install -q -c "$CONSTRAINTS" --force-reinstall --no-deps "$wheels"/horovod-*.whl
  "$VENV/bin/pip" install -q -c "$CONSTRAINTS" psutil cffi cloudpickle packaging fsspec PyYAML
}

if [ -e "$STAMP" ]; then exit 0; fi
install_system_packages
install_python_packages
install_horovod
"$VENV/bin/pip" check
touch "$STAMP"
say "done"
