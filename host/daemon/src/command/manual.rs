//! `rfid-host completion` and `rfid-host manpage`: what a package installs beside the binary, made
//! from the command line and the schema that the binary itself uses.

use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;
use rfid_durable::Stores;
use roff::{Roff, bold, roman};

use super::configuration_page;
use crate::cli::Cli;
use crate::config;
use crate::registry::Registry;

const EXIT_STATUS: &str = "\
0 if what was asked for is done, 1 if it failed or a fault was found, 2 if the command line is wrong.";

/// Prints what a shell needs to complete the command line.
pub(crate) fn completion(shell: Shell) {
    clap_complete::generate(shell, &mut Cli::command(), "rfid-host", &mut std::io::stdout());
}

/// Writes a page for each command, and one for the configuration.
pub(crate) fn pages(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let write = |name: String, page: String| {
        let path = folder.join(name);
        std::fs::write(&path, page).with_context(|| path.display().to_string())
    };
    for (name, page) in command_pages()? {
        write(name, page)?;
    }
    let schema = config::whole_schema(&Registry::built_in(Stores::new("")));
    write("rfid-host.toml.5".to_owned(), configuration_page::of(&schema))
}

/// Names of files and what is in them.
fn command_pages() -> anyhow::Result<Vec<(String, String)>> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut pages = Vec::new();
    add_pages(&root, "", &mut pages)?;
    Ok(pages)
}

/// A command without examples of its own is shown in those of the command that it belongs to.
fn add_pages(
    command: &clap::Command,
    inherited: &str,
    pages: &mut Vec<(String, String)>,
) -> std::io::Result<()> {
    let help = command.get_after_long_help().or(command.get_after_help()).map(ToString::to_string);
    let examples = help.as_deref().unwrap_or(inherited);
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        add_pages(sub, examples, pages)?;
    }
    let version = env!("CARGO_PKG_VERSION");
    let man = Man::new(command.clone().after_help(None).after_long_help(None))
        .source(format!("rfid-host {version}"))
        .manual("rfid-host");
    let mut page = Vec::new();
    man.render(&mut page)?;
    let mut page = String::from_utf8_lossy(&page).into_owned();
    page.push_str(&ending(examples));
    pages.push((man.get_filename(), page));
    Ok(())
}

/// What stands below the options of each page.
fn ending(examples: &str) -> String {
    let mut roff = Roff::new();
    add_examples(&mut roff, examples);
    roff.control("SH", ["EXIT STATUS"]);
    roff.text([roman(EXIT_STATUS)]);
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold("rfid-host"), roman("(1), "), bold("rfid-host.toml"), roman("(5)")]);
    roff.to_roff()
}

/// The lines that help shows below "Examples:", as they stand; what follows them as text.
fn add_examples(roff: &mut Roff, help: &str) {
    if help.is_empty() {
        return;
    }
    roff.control("SH", ["EXAMPLES"]);
    let mut is_code = false;
    for line in help.lines().filter(|line| !matches!(*line, "Example:" | "Examples:")) {
        if line.starts_with("  ") != is_code && !line.is_empty() {
            is_code = !is_code;
            roff.control(if is_code { "nf" } else { "fi" }, []);
        }
        match line {
            "" => roff.control("PP", []),
            line => roff.text([roman(line.trim_start())]),
        };
    }
    if is_code {
        roff.control("fi", []);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_examples() {
        let pages = command_pages().unwrap();
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert!(names.contains(&"rfid-host.1") && names.contains(&"rfid-host-tag-write-epc.1"), "{names:?}");
        for (name, page) in &pages {
            assert!(
                page.contains(".SH EXAMPLES\n.nf\n"),
                "{name} has no examples; give its command in cli.rs an after_help = \"Example:\\n  …\""
            );
        }
    }

    #[test]
    fn examples_stand_as_they_are_and_remarks_as_text() {
        let mut roff = Roff::new();
        add_examples(&mut roff, "Examples:\n  rfid-host demo\n  rfid-host run\n\nIt ends with Ctrl-C.");
        let page = roff.to_roff();
        let expected =
            ".SH EXAMPLES\n.nf\nrfid\\-host demo\nrfid\\-host run\n.PP\n.fi\nIt ends with Ctrl\\-C.\n";
        assert_eq!(page, expected);
    }
}
