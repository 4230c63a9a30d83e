//! Loading the file and calling its one symbol.

use std::fs;
use std::path::Path;
use std::ptr;
use std::thread;
use std::time::{Duration, Instant};

use object::elf::{DF_STATIC_TLS, DT_FLAGS, DynamicFlags, FileHeader64};
use object::read::elf::ElfFile;
use object::{Endianness, Object, ObjectSymbol};
use rfid_abi::{MINOR, Module};

use super::SHORT;
use crate::bench::init;
use crate::case::{AppliesTo, Case, Group, Run, Verdict, fail, skip, warn};
use crate::child::doing;
use crate::plugin;
use crate::process;

/// How long loading and the entry symbol may take.
const QUICK: Duration = Duration::from_millis(100);

/// How long it may take before it is certain that not a busy machine is the reason.
const CERTAIN: Duration = Duration::from_secs(2);

const fn on_file(
    name: &'static str,
    run: fn(&Path) -> Verdict,
    about: &'static str,
    advice: &'static str,
) -> Case {
    let (group, applies_to) = (Group::Load, AppliesTo::Module);
    Case { name, group, about, advice, limit: SHORT, applies_to, run: Run::File(run) }
}

pub(super) const CASES: &[Case] = &[
    on_file(
        "load/opens",
        opens,
        "The file loads with all its symbols resolved, and exports the entry symbol.",
        "Link with -Wl,-z,defs, so that what is missing is said then, and export rfid_plugin_module_v0.",
    ),
    on_file(
        "load/speaks-this-version",
        speaks,
        "The module is of this version, its structs have their sizes, and it asks for nothing that no host has.",
        "Build it against the header or the crate of this host.",
    ),
    on_file(
        "load/exports-one-symbol",
        exports,
        "The file exports no symbol but entry symbols.",
        "Compile with -fvisibility=hidden, and link with a version script if libraries are linked in.",
    ),
    on_file(
        "load/entry-is-constant",
        entry_is_constant,
        "The entry symbol returns the same module with the same content each time and on each thread.",
        "Return the address of one constant.",
    ),
    on_file(
        "load/entry-is-quick",
        entry_is_quick,
        "Loading and the entry symbol take less than 100 ms.",
        "Do what takes time in `init` or `open`; run nothing in constructors.",
    ),
    on_file(
        "load/starts-nothing",
        starts_nothing,
        "Loading and the entry symbol start no thread, open no file and print nothing.",
        "Do it in `init` or `create`; run nothing in constructors.",
    ),
    on_file(
        "load/other-minors",
        other_minors,
        "Hosts of other minor versions are refused with null or given the module.",
        "Compare the number; do not count on it.",
    ),
    on_file(
        "load/initializes",
        initializes,
        "`init` of the module, if there is one, succeeds.",
        "Return OK, and leave what can fail to `open`.",
    ),
    on_file(
        "load/no-static-tls",
        no_static_tls,
        "The file needs no static thread-local storage, of which a process has little.",
        "Leave out allocators such as jemalloc, or build them with -ftls-model=global-dynamic.",
    ),
    on_file(
        "load/own-libraries",
        own_libraries,
        "The plugin brings no library under a name that another plugin may bring too.",
        "Link it statically, or give it a SONAME of your own.",
    ),
];

fn opens(file: &Path) -> Verdict {
    plugin::open(file)?;
    Ok(None)
}

fn speaks(file: &Path) -> Verdict {
    let entry = plugin::open(file).or_else(|_| skip("it does not load"))?;
    let module = plugin::module(entry).or_else(fail)?;
    if !module.required_ext.is_null() {
        // SAFETY: the module promises a list that is ended by null.
        let first = unsafe { *module.required_ext };
        if !first.is_null() {
            let id = plugin::text(first).unwrap_or("an id that is no text");
            return fail(format!("it needs \"{id}\" of the host, which no host offers"));
        }
    }
    Ok(None)
}

fn exports(file: &Path) -> Verdict {
    let bytes = fs::read(file).or_else(|error| skip(error.to_string()))?;
    let file =
        object::File::parse(&*bytes).or_else(|error| skip(format!("it cannot be looked into: {error}")))?;
    let exported: Vec<&str> = file
        .dynamic_symbols()
        .filter(|symbol| symbol.is_definition() && !symbol.is_local())
        .filter_map(|symbol| symbol.name().ok())
        .filter(|name| !PLACES.contains(name) && !name.starts_with(ENTRIES))
        .collect();
    match exported.len() {
        0 => Ok(None),
        count => {
            let some: Vec<&str> = exported.into_iter().take(5).collect();
            fail(format!("{count} more symbols are exported, among them {}", some.join(", ")))
        }
    }
}

/// How entry symbols begin: a plugin may be for more than one version.
const ENTRIES: &str = "rfid_plugin_module_v";

/// Symbols that linkers export by themselves: ends of sections, and what runs at load.
const PLACES: [&str; 5] = ["_init", "_fini", "__bss_start", "_edata", "_end"];

fn entry_is_constant(file: &Path) -> Verdict {
    let entry = plugin::open(file).or_else(|_| skip("it does not load"))?;
    let content = |module: *const Module| -> Vec<u8> {
        if module.is_null() {
            return Vec::new();
        }
        // SAFETY: a module that is there for ever; its bytes have no holes.
        unsafe { std::slice::from_raw_parts(module.cast::<u8>(), size_of::<Module>()) }.to_vec()
    };
    let first = plugin::ask(entry, u32::from(MINOR));
    let bytes = content(first);
    let again = plugin::ask(entry, u32::from(MINOR));
    let address = first.addr();
    let elsewhere = thread::spawn(move || plugin::ask(entry, u32::from(MINOR)).addr() == address).join();
    if !ptr::eq(first, again) || !matches!(elsewhere, Ok(true)) {
        return fail("it returns another module each time");
    }
    if content(first) != bytes {
        return fail("the module changed between two calls");
    }
    Ok(None)
}

fn entry_is_quick(file: &Path) -> Verdict {
    let start = Instant::now();
    let entry = plugin::open(file).or_else(|_| skip("it does not load"))?;
    plugin::ask(entry, u32::from(MINOR));
    match start.elapsed() {
        took if took > CERTAIN => fail(format!("that took {took:.0?}")),
        took if took > QUICK => {
            warn(format!("that took {took:.0?}; {QUICK:?} are allowed, unless this machine was busy"))
        }
        _ => Ok(None),
    }
}

fn starts_nothing(file: &Path) -> Verdict {
    let (threads, descriptors, written) = (process::threads(), process::descriptors(), process::written());
    let entry = plugin::open(file).or_else(|_| skip("it does not load"))?;
    plugin::ask(entry, u32::from(MINOR));
    if process::threads() > threads {
        return fail(format!("{} threads were started", process::threads() - threads));
    }
    if let Some((_, opened)) =
        process::descriptors().into_iter().find(|(number, _)| !descriptors.contains_key(number))
    {
        return fail(format!("{} was opened and left open", opened.display()));
    }
    if process::written() > written {
        return fail("something was printed");
    }
    Ok(None)
}

fn other_minors(file: &Path) -> Verdict {
    let entry = plugin::open(file).or_else(|_| skip("it does not load"))?;
    for minor in [0, u32::from(MINOR) + 1, 60_000, u32::MAX] {
        doing("the entry symbol with another minor version");
        // SAFETY: null, or a module for ever.
        if let Some(module) = unsafe { plugin::ask(entry, minor).as_ref() }
            && module.abi_major != rfid_abi::MAJOR
        {
            return fail(format!(
                "asked for minor version {minor} it is of major version {}",
                module.abi_major
            ));
        }
    }
    Ok(None)
}

fn initializes(file: &Path) -> Verdict {
    let module = plugin::load(file)?;
    match init(module)? {
        None => skip("it has none"),
        Some(status) if status.is_ok() => Ok(None),
        Some(status) => fail(format!("`init` said {}", crate::instance::name(status))),
    }
}

fn no_static_tls(file: &Path) -> Verdict {
    let bytes = fs::read(file).or_else(|error| skip(error.to_string()))?;
    let Ok(file) = ElfFile::<FileHeader64<Endianness>>::parse(&*bytes) else {
        return skip("only files of 64 bits can be looked into");
    };
    let Ok(dynamic) = file.elf_dynamic_table() else { return skip("it has no dynamic section") };
    let static_tls =
        dynamic.iter().any(|entry| entry.tag == DT_FLAGS && DynamicFlags(entry.val).contains(DF_STATIC_TLS));
    if static_tls {
        return warn("it needs static thread-local storage: beside others like it, it will not load");
    }
    Ok(None)
}

fn own_libraries(file: &Path) -> Verdict {
    let before = process::mapped_files();
    plugin::open(file).or_else(|_| skip("it does not load"))?;
    let beside = file.parent();
    let brought: Vec<String> = process::mapped_files()
        .into_iter()
        .filter(|path| !before.contains(path) && path != file)
        .filter(|path| beside.is_some_and(|folder| path.starts_with(folder)))
        .map(|path| path.display().to_string())
        .collect();
    if brought.is_empty() {
        return Ok(None);
    }
    warn(format!(
        "it brings {}: another plugin with a library of that name gets this one, and the other way round",
        brought.join(", ")
    ))
}
