#!/usr/bin/env python3
"""Writes layout.c anew from the headers as they are now: make_layout.py > layout.c. Read the difference before
committing it: every changed line is a break for somebody (docs/abi.md)."""

import pathlib
import subprocess
import tempfile

import header_model

HERE = pathlib.Path(__file__).resolve().parent
INCLUDE = HERE.parents[1] / "include"


def measure(header, name):
    """{"struct": size, "struct.field": offset, "CONSTANT": value} as the C compiler sees them."""
    lines = [f'#include "moe/{name}"', "#include <stddef.h>", "#include <stdio.h>", "int main(void) {"]
    for struct, fields in header.structs.items():
        lines.append(f'printf("{struct} %zu\\n", sizeof({struct}));')
        lines += [f'printf("{struct}.{f.name} %zu\\n", offsetof({struct}, {f.name}));' for f in fields]
    lines += [f'printf("{c} %lld\\n", (long long)({c}));' for c in numeric(header, name)]
    lines.append("return 0; }")
    with tempfile.TemporaryDirectory() as folder:
        source, program = pathlib.Path(folder, "m.c"), pathlib.Path(folder, "m")
        source.write_text("\n".join(lines), encoding="utf-8")
        subprocess.run(["cc", "-std=c11", f"-I{INCLUDE}", source, "-o", program], check=True)
        out = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return {key: int(value) for key, value in (line.split() for line in out.splitlines())}


def numeric(header, name):
    text = (INCLUDE / "moe" / name).read_text(encoding="utf-8")
    return [c for c in header.constants if f'#define {c} "' not in text]


def main():
    print("/* The frozen layout of the public headers: size and offset of everything, value of every constant. Written by")
    print(" * make_layout.py; a line that has to change is a break of the interface (docs/abi.md). */")
    print("#include <stddef.h>\n")
    print('#include "moe/moe.h"\n#include "moe/plugin.h"\n')
    print("#define SIZE(type, size) _Static_assert(sizeof(type) == (size), \"size of \" #type)")
    print("#define FIELD(type, field, offset) _Static_assert(offsetof(type, field) == (offset), #type \".\" #field)")
    print("#define VALUE(name, value) _Static_assert((name) == (value), #name)")
    for name in ("moe.h", "plugin.h"):
        header = header_model.read(INCLUDE / "moe" / name)
        known = measure(header, name)
        print(f"\n/* ---- {name} ---- */")
        for constant in numeric(header, name):
            print(f"VALUE({constant}, {known[constant]});")
        for struct, fields in header.structs.items():
            print(f"\nSIZE({struct}, {known[struct]});")
            for field in fields:
                print(f"FIELD({struct}, {field.name}, {known[struct + '.' + field.name]});")


if __name__ == "__main__":
    main()
