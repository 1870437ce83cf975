#!/usr/bin/env python3
"""The gates that keep the C interface what docs/abi.md promises. Each prints its cases and `N passed, M failed`.

  gates.py symbols LIB            exported names = exports.txt = functions of moe.h; version and soname agree
  gates.py layout  INCLUDE        layout.c compiles against the header and covers it; the header keeps its own rules
  gates.py types   LIB INCLUDE    libabigail: LIB's types against moe.abi
  gates.py plugins FOLDER         every plugin exports one function and carries the version note
  gates.py planted INCLUDE        each of three planted breaks is caught by its gate, and by no luck of the tools
"""

import argparse
import ctypes
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

import header_model

HERE = pathlib.Path(__file__).resolve().parent
MAP = HERE.parents[1] / "lib" / "exports.map"
BASELINE = HERE / "moe.abi"
results = []


def check(name, problems):
    """One case: passes if `problems` is empty."""
    results.append(not problems)
    print(f"{'ok  ' if not problems else 'FAIL'} {name}")
    for problem in problems:
        print(f"       {problem}")


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def exported(library):
    code, out = run("nm", "-D", "--defined-only", library)
    if code:
        raise SystemExit(out)
    entries = [line.split() for line in out.splitlines()]
    # The version node of the script (moe_0.1) shows as an absolute symbol of its own name.
    return sorted(e[-1].split("@")[0] for e in entries if not (e[-2] == "A" and e[-1].startswith("moe_") and "." in e[-1]))


def listed():
    return sorted((HERE / "exports.txt").read_text(encoding="utf-8").split())


def differences(have, want, have_name, want_name):
    return [f"{n} is in {have_name}, not in {want_name}" for n in sorted(set(have) - set(want))] + \
           [f"{n} is in {want_name}, not in {have_name}" for n in sorted(set(want) - set(have))]


def symbol_problems(library):
    return differences(exported(library), listed(), library, "exports.txt")


# ---- symbols --------------------------------------------------------------------------------------------------------

def gate_symbols(library):
    header = header_model.read(HERE.parents[1] / "include" / "moe" / "moe.h")
    check("exported_symbols_are_exactly_the_listed_ones", symbol_problems(library))
    check("every_listed_symbol_is_declared_in_the_header", differences(listed(), header.functions, "exports.txt", "moe.h"))
    named = re.findall(r"\b(moe_\w+);", MAP.read_text(encoding="utf-8"))
    check("version_script_names_each_symbol", differences(named, listed(), "exports.map", "exports.txt"))
    check("no_exported_name_lacks_the_prefix", [n for n in exported(library) if not n.startswith("moe_")])
    text = (HERE.parents[1] / "include" / "moe" / "moe.h").read_text(encoding="utf-8")
    major, minor, patch = (int(re.search(rf"#define MOE_VERSION_{p} (\d+)", text)[1]) for p in ("MAJOR", "MINOR", "PATCH"))
    loaded = ctypes.CDLL(library)
    loaded.moe_version.restype = ctypes.c_uint32
    want = major << 16 | minor << 8 | patch
    check("version_of_header_and_library_agree",
          [] if loaded.moe_version() == want else [f"moe_version() is {loaded.moe_version():#x}, the header says {want:#x}"])
    soname = re.search(r"SONAME.*\[(.*)\]", run("readelf", "-d", library)[1])
    check("soname_is_libmoe_so_1", [] if soname and soname[1] == "libmoe.so.1" else [f"soname: {soname and soname[1]}"])


# ---- layout ---------------------------------------------------------------------------------------------------------

def layout_problems(include):
    code, out = run("cc", "-std=c11", "-fsyntax-only", f"-I{include}", HERE / "layout.c")
    return [line for line in out.splitlines() if "error" in line] or (["layout.c does not compile"] if code else [])


def by_value_problems(header):
    """Structs cross by pointer. The one exception is moe_str, a pointer and a length that will never grow."""
    found = []
    for name, text in {**header.functions, **header.callbacks}.items():
        result, arguments = text.split("(", 1) if name in header.functions else text.split("(*", 1)
        for struct_name in set(header.structs) - {"moe_str"}:
            if re.search(rf"\b{struct_name}\b(?!\s*\*)(?!\s*const\s*\*)", result + "," + arguments):
                found.append(f"{name} passes {struct_name} by value")
        if re.search(r"\b(bool|_Bool|enum|long|short|int|unsigned|size_t)\b", text):
            found.append(f"{name} uses a type without a fixed width")
    return found


def field_problems(header, all_structs):
    found = []
    for name, fields in header.structs.items():
        for field in fields:
            base = re.sub(r"\[\d+\]|\bconst\b|\*", " ", field.type).split()
            is_known = field.type == "fn" or (len(base) == 1 and base[0] in header_model.SCALARS | all_structs)
            if not is_known or ":" in field.text:
                found.append(f"{name}.{field.name}: '{field.text}' is no fixed-width type")
            if "*" not in field.type and base and base[0] in header.structs and base[0] != "moe_str":
                found.append(f"{name}.{field.name} embeds a struct that may grow")
    return found


def padding_problems(include, name, header):
    """Every byte of a struct belongs to a named field."""
    lines = [f'#include "moe/{name}"', "#include <stdio.h>", "int main(void) {"]
    for struct_name, fields in header.structs.items():
        sizes = " + ".join(f"sizeof((({struct_name} *)0)->{f.name})" for f in fields)
        lines.append(f'if (sizeof({struct_name}) != {sizes}) puts("{struct_name} has hidden padding");')
    with tempfile.TemporaryDirectory() as folder:
        source, program = pathlib.Path(folder, "p.c"), pathlib.Path(folder, "p")
        source.write_text("\n".join(lines + ["return 0; }"]), encoding="utf-8")
        code, out = run("cc", "-std=c11", f"-I{include}", source, "-o", program)
        return [out] if code else run(program)[1].splitlines()


def gate_layout(include):
    check("sizes_offsets_and_values_are_the_frozen_ones", layout_problems(include))
    frozen = (HERE / "layout.c").read_text(encoding="utf-8")
    headers = {name: header_model.read(pathlib.Path(include, "moe", name)) for name in ("moe.h", "plugin.h")}
    all_structs = {s for h in headers.values() for s in h.structs} | {o for h in headers.values() for o in h.opaque}
    all_structs |= {c for h in headers.values() for c in h.callbacks}
    for name, header in headers.items():
        text = pathlib.Path(include, "moe", name).read_text(encoding="utf-8")
        missing = [s for s in header.structs if f"SIZE({s}," not in frozen]
        missing += [f"{s}.{f.name}" for s, fs in header.structs.items() for f in fs if f"FIELD({s}, {f.name}," not in frozen]
        missing += [c for c in header.constants if f"VALUE({c}," not in frozen and f'#define {c} "' not in text]
        tag = name.replace(".", "_")
        check(f"layout_covers_all_of_{tag}", [f"{m} is not in layout.c" for m in missing])
        check(f"f069_no_struct_by_value_in_{tag}", by_value_problems(header))
        check(f"f069_only_fixed_width_fields_in_{tag}", field_problems(header, all_structs))
        check(f"f069_no_hidden_padding_in_{tag}", padding_problems(include, name, header))
        first = [s for s, fs in header.structs.items() if s.endswith(("_options", "_info", "_stats", "_counters", "_error"))
                 and fs[0].name != "struct_size"]
        check(f"structs_of_{tag}_begin_with_their_size", [f"{s} does not" for s in first])
    for standard in (["cc", "-x", "c", "-std=c99"], ["c++", "-x", "c++", "-std=c++11"]):
        for name in headers:
            code, out = run(*standard, "-pedantic-errors", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                            pathlib.Path(include, "moe", name), f"-I{include}")
            check(f"{name}_alone_compiles_as_{standard[-1][5:]}", [out] if code else [])


# ---- types ----------------------------------------------------------------------------------------------------------

def write_abi(library, include, out):
    code, text = run("abidw", "--no-show-locs", "--no-corpus-path", "--no-comp-dir-path", "--no-elf-needed", "--exported-interfaces-only",
                     "--headers-dir", include, "--drop-private-types", "--out-file", out, library)
    return [text] if code or not pathlib.Path(out).exists() else []


def abidiff_problems(old, new):
    code, text = run("abidiff", old, new)
    return [line for line in text.splitlines() if line.strip()][:20] or [f"abidiff ended with {code}"] if code else []


def gate_types(library, include):
    with tempfile.TemporaryDirectory() as folder:
        new = pathlib.Path(folder, "new.abi")
        problems = write_abi(library, include, new)
        check("abidw_reads_the_library", problems)
        text = new.read_text(encoding="utf-8") if not problems else ""
        unseen = [s for s in listed() if f"mangled-name='{s}'" not in text]
        check("every_function_has_its_types_in_the_debug_data", [f"{s} has no function type" for s in unseen])
        check("types_are_those_of_the_baseline", abidiff_problems(BASELINE, new))


# ---- plugins --------------------------------------------------------------------------------------------------------

def note_problems(path):
    """The ELF note of MOE_PLUGIN_DEFINE: owner, type 1, major and minor as in plugin.h."""
    text = (HERE.parents[1] / "include" / "moe" / "plugin.h").read_text(encoding="utf-8")
    want = tuple(int(re.search(rf"#define MOE_PLUGIN_ABI_{p} (\d+)", text)[1]) for p in ("MAJOR", "MINOR"))
    with tempfile.TemporaryDirectory() as folder:
        raw = pathlib.Path(folder, "note")
        code, out = run("objcopy", f"--dump-section=.note.moegate={raw}", path, "/dev/null")
        data = raw.read_bytes() if not code and raw.exists() else b""
    if len(data) != 28:
        return [f"the note has {len(data)} bytes, expected 28"]
    sizes, owner, version = struct.unpack("<III", data[:12]), data[12:20], struct.unpack("<II", data[20:])
    good = sizes == (8, 8, 1) and owner == b"moegate\0" and version == want
    return [] if good else [f"note {sizes} {owner} {version}, expected version {want}"]


def gate_plugins(folder):
    plugins = sorted(pathlib.Path(folder).glob("moegate-*.so"))
    check("there_are_plugins", [] if plugins else [f"no moegate-*.so in {folder}"])
    for path in plugins:
        names = exported(path)
        check(f"{path.stem}_exports_one_function", [] if names == ["moe_plugin_entry"] else [f"exports {names}"])
        check(f"{path.stem}_carries_the_version_note", note_problems(path))
        code, out = run("ldd", "-r", path)  # resolves every symbol with the plugin's own libraries alone
        missing = [line for line in out.splitlines() if "undefined symbol" in line or "not found" in line]
        check(f"{path.stem}_needs_nothing_from_the_gateway", missing or ([out] if code else []))


# ---- planted breaks -------------------------------------------------------------------------------------------------

def build_stub(include, out, skip=()):
    """A library that exports every function of the header and does nothing: enough for the symbol and type gates."""
    header = header_model.read(pathlib.Path(include, "moe", "moe.h"))
    lines = ['#include "moe/moe.h"']
    for name, declaration in header.functions.items():
        if name in skip:
            continue
        is_void = declaration.startswith("MOE_API void ")
        lines.append(f"{declaration} {{ {'' if is_void else 'return 0;'} }}")
    source = pathlib.Path(out).with_suffix(".c")
    source.write_text("\n".join(lines), encoding="utf-8")
    code, text = run("cc", "-std=c99", "-g", "-w", "-shared", "-fPIC", "-fvisibility=hidden", f"-I{include}", source, "-o", out,
                     "-Wl,-soname,libmoe.so.1", f"-Wl,--version-script={MAP}")
    if code:
        raise SystemExit(text)
    return out


def planted_include(include, folder, old, new):
    """A copy of the headers with one change; the change must really be there."""
    target = pathlib.Path(folder, "include", "moe")
    target.mkdir(parents=True)
    for name in ("moe.h", "plugin.h"):
        text = pathlib.Path(include, "moe", name).read_text(encoding="utf-8")
        if name == "moe.h":
            if text.count(old) != 1:
                raise SystemExit(f"planted break: '{old}' stands {text.count(old)} times in moe.h")
            text = text.replace(old, new)
        target.joinpath(name).write_text(text, encoding="utf-8")
    return target.parent


def gate_planted(include):
    must_fail = lambda problems: [] if problems else ["the gate let it pass"]
    with tempfile.TemporaryDirectory() as folder:
        here = lambda name: pathlib.Path(folder, name)
        whole = build_stub(include, here("whole.so"))
        check("control_the_unchanged_interface_passes_the_symbol_gate", symbol_problems(whole))
        check("control_the_unchanged_interface_passes_the_layout_gate", layout_problems(include))
        write_abi(whole, include, here("whole.abi"))
        check("control_the_unchanged_interface_passes_the_type_gate", abidiff_problems(BASELINE, here("whole.abi")))

        less = build_stub(include, here("less.so"), skip=("moe_sequence_pause",))
        check("a_removed_symbol_fails_the_symbol_gate", must_fail(symbol_problems(less)))
        write_abi(less, include, here("less.abi"))
        check("a_removed_symbol_fails_the_type_gate", must_fail(abidiff_problems(BASELINE, here("less.abi"))))

        field = planted_include(include, here("field"), "  uint32_t max_sequences;", "  uint32_t planted;\n  uint32_t max_sequences;")
        check("an_inserted_field_fails_the_layout_gate", must_fail(layout_problems(field)))
        write_abi(build_stub(field, here("field.so")), field, here("field.abi"))
        check("an_inserted_field_fails_the_type_gate", must_fail(abidiff_problems(BASELINE, here("field.abi"))))

        kind = planted_include(include, here("kind"), "moe_model_token_bytes(const moe_model *model, int32_t token",
                               "moe_model_token_bytes(const moe_model *model, int64_t token")
        check("control_a_changed_parameter_leaves_the_symbols_alone", symbol_problems(build_stub(kind, here("kind.so"))))
        check("control_a_changed_parameter_leaves_the_layout_alone", layout_problems(kind))
        write_abi(here("kind.so"), kind, here("kind.abi"))
        check("a_changed_parameter_type_fails_the_type_gate", must_fail(abidiff_problems(BASELINE, here("kind.abi"))))

        for rule, problems, old, new in (
                ("a_struct_by_value_fails_the_header_scan", by_value_problems,
                 "moe_engine_stats_get(const moe_engine *engine, moe_engine_stats *out_stats",
                 "moe_engine_stats_get(const moe_engine *engine, moe_engine_stats out_stats"),
                ("a_long_parameter_fails_the_header_scan", by_value_problems,
                 "uint64_t timeout_ms, moe_event *out_event", "unsigned long timeout_ms, moe_event *out_event"),
                ("a_bit_field_fails_the_header_scan", lambda h: field_problems(h, set(h.structs) | set(h.opaque) | set(h.callbacks)),
                 "  uint32_t no_pinning;", "  uint32_t no_pinning : 1;")):
            broken = planted_include(include, here(rule), old, new)
            try:
                found = problems(header_model.read(broken / "moe" / "moe.h"))
            except header_model.Unknown as refusal:
                found = [str(refusal)]
            check(rule, must_fail(found))
        hole = planted_include(include, here("hole"), "  uint32_t no_pinning;", "  uint8_t no_pinning;")
        check("a_hidden_hole_fails_the_header_scan",
              must_fail(padding_problems(hole, "moe.h", header_model.read(hole / "moe" / "moe.h"))))
        value = planted_include(include, here("value"), "#define MOE_E_FORKED 11", "#define MOE_E_FORKED 12")
        check("a_changed_value_fails_the_layout_gate", must_fail(layout_problems(value)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("gate", choices=("symbols", "layout", "types", "plugins", "planted"))
    parser.add_argument("arguments", nargs="+")
    options = parser.parse_args()
    globals()["gate_" + options.gate](*options.arguments)
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
