//! The header compiles wherever it says that it does.

use std::fs;

use crate::compiler::{compile, folder, is_there};

const HEADER: &str = include_str!("../../include/rfid_plugin.h");

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
    for header in ["rfid_plugin.h"] {
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

#[test]
fn driver_at_the_head_of_the_header_compiles() {
    let begin = HEADER.find("#include \"rfid_plugin.h\"").expect("the driver");
    let end = HEADER.find(" *     cc -std").expect("the command behind the driver");
    let driver: Vec<&str> =
        HEADER[begin..end].lines().map(|line| line.strip_prefix(" *").unwrap_or(line)).collect();
    let source = folder("driver_at_the_head_of_the_header_compiles").join("shortest.c");
    fs::write(&source, driver.join("\n")).expect("a source");
    let flags = ["-D_POSIX_C_SOURCE=200809L", "-fPIC", "-shared", "-fvisibility=hidden", "-Wl,-z,defs"];
    compile("cc", &[&["-std=c11"], flags.as_slice()].concat(), &source);
}
