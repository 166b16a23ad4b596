#!/usr/bin/env bash
# Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
# build/bundle: programs and libraries with everything they need but glibc, found through $ORIGIN.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
bundle=build/bundle

rm -rf "$bundle"
cmake --install build/release --strip --component runtime --prefix "$bundle" >/dev/null

# glibc must match the kernel's loader, so it stays the host's; all else comes along.
host='^(linux-vdso|ld-linux.*|libc|libm|libmvec|libdl|librt|libpthread|libresolv|libutil|libanl)\.so'
needed() {  # needed [FOLDER]: library names and paths; FOLDER is searched too
  local file
  for file in "$bundle"/bin/* "$bundle"/lib/*.so*; do
    [[ ! -f $file ]] || LD_LIBRARY_PATH=${1:-} ldd "$file"
  done | awk '$2 == "=>" {print $1, $3}' | sort -u
}
while read -r name path; do
  [[ $name =~ $host || -e $bundle/lib/$name ]] && continue
  [[ $path == /* ]] || { echo "bundle: $name is needed and not found" >&2; exit 1; }
  cp -L "$path" "$bundle/lib/$name"
  package=$(dpkg -S "$(readlink -f "$path")" 2>/dev/null | head -n 1 | cut -d: -f1 || true)
  if [[ -n $package && -e /usr/share/doc/$package/copyright ]]; then
    cp -L "/usr/share/doc/$package/copyright" "$bundle/share/doc/penstock/$package.copyright"
  fi
done < <(needed .venv/lib)
if [[ -d .venv/share/doc/onednn ]]; then
  cp -rL .venv/share/doc/onednn "$bundle/share/doc/penstock/"
fi

# Symbols that only debuggers read are a fifth of oneDNN.
for file in "$bundle"/lib/*.so*; do
  [[ -L $file ]] || { chmod u+w "$file"; strip --strip-unneeded "$file"; patchelf --set-rpath '$ORIGIN' "$file"; }
done
for file in "$bundle"/bin/*; do
  [[ ! -f $file ]] || patchelf --set-rpath '$ORIGIN/../lib' "$file"
done

# Nothing may still point outside.
outside=$(needed | while read -r name path; do
  [[ $name =~ $host || $(readlink -f "$path") == "$PWD/$bundle"/* ]] || echo "$name"
done)
[[ -z $outside ]] || { echo "bundle: found outside the bundle:" $outside >&2; exit 1; }

megabytes=$(($(find "$bundle" -type f -printf '%s\n' | awk '{sum += $1} END {print sum}') / 1000000))

glibc=$(objdump -T "$bundle"/lib/*.so* "$bundle"/bin/* 2>/dev/null | grep -oE 'GLIBC_[0-9.]+' | sort -Vu | tail -n 1)
(cd "$bundle" && find bin lib \( -type f -o -type l \) -printf '%k KiB  %p\n' 2>/dev/null | sort -rn)
echo "build/bundle: $megabytes MB, needs an x86-64 Linux with ${glibc/_/ } or newer"
