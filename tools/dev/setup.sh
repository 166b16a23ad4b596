# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
# ./dev setup: Debian packages, then Python packages in .venv. What is there already is left alone.

apt_build=(
  g++ cmake ninja-build ccache mold
  libfmt-dev libspdlog-dev nlohmann-json3-dev libxxhash-dev libcli11-dev
  libprotobuf-dev protobuf-compiler libre2-dev libjpeg62-turbo-dev libpng-dev libwebp-dev libtiff-dev libopenjp2-7-dev libzip-dev
  libboost-dev libsimdjson-dev zlib1g-dev libgrpc++-dev libnghttp2-dev
  libgtest-dev libgmock-dev libbenchmark-dev
  clang-format-14
)
apt_lint=(clang-tidy-14)
apt_bundle=(patchelf binutils)
apt_asan=(clang-14 libclang-rt-14-dev libomp-14-dev llvm-14)

missing_packages() {  # missing_packages PACKAGE ...: those not installed, one a line
  comm -23 <(printf '%s\n' "$@" | sort) \
    <(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p' | sort -u)
}

setup_apt() {
  local missing sudo=()
  if ! command -v dpkg-query >/dev/null; then
    say "not a Debian system: assuming the equivalents of these packages are installed: $*"
    return
  fi
  mapfile -t missing < <(missing_packages "$@")
  [[ ${#missing[@]} -gt 0 ]] || return 0
  if [[ $(id -u) -ne 0 ]]; then
    command -v sudo >/dev/null || die "these packages are missing, and there is no sudo. As root, run:
  apt-get update && apt-get install ${missing[*]}"
    sudo -v || die "sudo refused. Have someone run: apt-get install ${missing[*]}"
    sudo=(sudo)
  fi
  local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=300
    -o Dpkg::Use-Pty=0 -o Acquire::Retries=3)
  quietly "update the package lists" "${apt[@]}" update ||
    say "the package lists could not be updated; trying with those at hand"
  quietly "install ${missing[*]}" "${apt[@]}" install --no-install-recommends "${missing[@]}" ||
    die "apt-get could not install: ${missing[*]}"
}

# The first python3 on PATH that is new enough for the pinned packages and can make environments; else Debian's.
python_for_venv() {
  if python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo python3
  else
    echo /usr/bin/python3
  fi
}

setup_venv() {
  if [[ -d .venv ]] && .venv/bin/python -m pip --version >/dev/null 2>&1; then
    return
  fi
  local python
  python=$(python_for_venv)
  if [[ $python == python3 ]]; then
    rm -rf .venv
    quietly "create .venv" python3 -m venv .venv && return
    say "trying again with Debian's own Python"
  fi
  rm -rf .venv
  setup_apt python3-venv
  quietly "create .venv" /usr/bin/python3 -m venv .venv ||
    die "no Python environment could be made; Python 3.11 or newer with venv is needed"
}

setup_python() {  # setup_python SET ...: installs requirements/SET.txt where that changed since the last time
  local set stamp want
  for set in "$@"; do
    stamp=.venv/.penstock-$set
    want=$(cat "requirements/$set.txt" requirements/demo.txt | sha256sum)
    if [[ -e $stamp && $(<"$stamp") == "$want" ]]; then
      continue
    fi
    quietly "install the Python packages of requirements/$set.txt" \
      .venv/bin/python -m pip install --disable-pip-version-check --no-input -r "requirements/$set.txt" ||
      die "pip could not install requirements/$set.txt"
    echo "$want" >"$stamp"
  done
}

# The headers of the interpreter in .venv, which the package's module is compiled with.
setup_python_headers() {
  local headers='import os, sysconfig; raise SystemExit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))'
  .venv/bin/python -c "$headers" || setup_apt python3-dev
}

# The CUDA backend is built where a toolkit is.
has_cuda_toolkit() {
  command -v nvcc >/dev/null || [[ -x /usr/local/cuda/bin/nvcc ]]
}

# The package as built stands in .venv: `import penstock` finds it there.
link_python_package() {
  local site
  site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  echo "$root/build/release/python" >"$site/penstock.pth"
}

setup() {  # setup SET ...
  setup_apt "${apt_build[@]}"
  setup_venv
  setup_python_headers
  setup_python "$@"
  if has_cuda_toolkit; then
    setup_python cuda
  fi
}
