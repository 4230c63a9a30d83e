//! The headers compile wherever they say that they do.

use std::fs;
use std::process::Command;

use crate::compiler::{INCLUDE, compile, folder, is_there};

const HEADER: &str = include_str!("../../include/rfid_plugin.h");
const CLASSES: &str = include_str!("../../include/rfid_plugin.hpp");

#[test]
fn header_compiles_as_c11() {
    let folder = folder("header_compiles_as_c11");
    let source = folder.join("empty.c");
    fs::write(&source, "#include \"rfid_plugin.h\"\n").expect("a source");
    for compiler in ["cc", "clang"].into_iter().filter(|name| *name == "cc" || is_there(name)) {
        compile(compiler, &["-std=c11", "-c"], &source);
        let queue = ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-DRFID_PLUGIN_QUEUE", "-c"];
        compile(compiler, &queue, &source);
    }
}

#[test]
fn headers_compile_as_cpp17_and_cpp20() {
    let folder = folder("headers_compile_as_cpp17_and_cpp20");
    for header in ["rfid_plugin.h", "rfid_plugin.hpp"] {
        let source = folder.join("empty.cpp");
        fs::write(&source, format!("#include \"{header}\"\n")).expect("a source");
        for compiler in ["c++", "clang++"].into_iter().filter(|name| *name == "c++" || is_there(name)) {
            for standard in ["-std=c++17", "-std=c++20"] {
                compile(compiler, &[standard, "-c"], &source);
                compile(compiler, &[standard, "-DRFID_PLUGIN_QUEUE", "-c"], &source);
            }
        }
    }
}

/// The code in the comment at the head of a header, up to the command that compiles it.
fn example<'a>(header: &'a str, begin: &str, end: &str) -> String {
    let begin = header.find(begin).expect("the example");
    let end = header.find(end).expect("the command behind the example");
    let lines = header[begin..end].lines().map(|line| line.strip_prefix(" *").unwrap_or(line));
    lines.collect::<Vec<&'a str>>().join("\n")
}

const LIBRARY: [&str; 5] = ["-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-Wl,-z,defs"];

#[test]
fn driver_at_the_head_of_the_header_compiles() {
    let source = folder("driver_at_the_head_of_the_header_compiles").join("shortest.c");
    let driver = example(HEADER, "#include \"rfid_plugin.h\"", " *     cc -std");
    fs::write(&source, driver).expect("a source");
    compile("cc", &[&["-std=c11", "-D_POSIX_C_SOURCE=200809L"], LIBRARY.as_slice()].concat(), &source);
}

#[test]
fn driver_at_the_head_of_the_classes_compiles_and_exports_one_symbol() {
    let source = folder("driver_at_the_head_of_the_classes").join("one_tag.cpp");
    let driver = example(CLASSES, "#include \"rfid_plugin.hpp\"", " *     c++ -std");
    fs::write(&source, driver).expect("a source");
    let map = format!("-Wl,--version-script={INCLUDE}/rfid_plugin.map");
    let library = compile("c++", &[&["-std=c++17", map.as_str()], LIBRARY.as_slice()].concat(), &source);
    let symbols = Command::new("nm").args(["-D", "--defined-only"]).arg(library).output().expect("nm runs");
    let symbols = String::from_utf8_lossy(&symbols.stdout).into_owned();
    let names: Vec<&str> = symbols.lines().filter_map(|line| line.split(' ').next_back()).collect();
    assert_eq!(names, [rfid_abi::SYMBOL]);
}
