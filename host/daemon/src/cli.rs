//! The command line.

mod bench;
mod card;
mod config;
mod discover;
mod emulate;
mod epc;
mod ledger;
mod people;
mod plugin;
mod reader;
mod record;
mod service;
mod simulate;
mod tag;
mod watch;
mod webhook;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use rfid_core::DurationText;
use rfid_core::abilities::PinLevel;

pub(crate) use bench::{Bench, BenchMode, BenchProtocol};
pub(crate) use card::{CardAct, CardTarget};
pub(crate) use config::{ConfigAct, ConfigFiles, ConfigFormat, DaemonConfig, FirstReader};
pub(crate) use discover::Discover;
pub(crate) use emulate::{Emulated, Field};
pub(crate) use epc::EpcWay;
pub(crate) use ledger::{ExportEvents, ExportFormat, Exported, LedgerAct, LedgerPlace};
pub(crate) use people::{AdministratorName, AuditAct, Audited, RightsLanguage, UserAct, When};
pub(crate) use plugin::{Checked, Language, PluginAct};
pub(crate) use reader::{AnyReader, Pad, ReaderAddress, options};
pub(crate) use record::{DirectReader, Record};
pub(crate) use service::{
    ExportVisits, ImportFile, MakeReport, PartName, ReportName, ServicePlace, StaffAct, StaffRoleName,
    TableFormat, VisitFormat,
};
pub(crate) use simulate::{SimulateDoor, Simulated};
pub(crate) use tag::{BankName, Consent, TagAct, TagPlace};
pub(crate) use watch::{At, Tap, Top};
pub(crate) use webhook::{WebhookAct, Which};

/// RFID readers in, arrivals and departures out.
#[derive(Debug, Parser)]
#[command(name = "rfid-host", version, arg_required_else_help = true)]
#[command(after_help = "Examples:
  rfid-host demo                            watch tags arrive, with nothing to configure
  rfid-host check --config branch.toml      find every fault in a configuration
  rfid-host run --config branch.toml        run it")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: Global,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Folder of everything that is kept; goes before host.data_dir of a configuration
    #[arg(long, global = true, value_name = "DIR", env = "RFID_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// How log lines look
    #[arg(long, global = true, value_enum, default_value_t, env = "RFID_LOG_FORMAT")]
    pub(crate) log_format: LogFormat,
    /// What is logged: error, warn, info, debug, trace, or filters as in rfid_core=debug
    #[arg(long, global = true, value_name = "FILTER", env = "RFID_LOG")]
    pub(crate) log: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show everything at work on this machine: an emulated reader, tags, records, events
    #[command(after_help = "Examples:
  rfid-host demo                 until Ctrl-C
  rfid-host demo --for 15s       end by itself
  rfid-host demo --listen 127.0.0.1:9000          the screens at another port
  curl -N http://127.0.0.1:8460/api/v1/events     in another terminal")]
    Demo {
        /// End by itself after this time
        #[arg(long = "for", value_name = "DURATION", value_parser = DurationText::parse)]
        lasts: Option<DurationText>,
        /// Where the screens and the interface are [default: 127.0.0.1:8460, or any port if that is taken]
        #[arg(long, value_name = "ADDRESS:PORT")]
        listen: Option<std::net::SocketAddr>,
        /// Begin with nobody before the readers: for tests, whose customers come when they are put somewhere
        #[arg(long, hide = true)]
        nobody: bool,
    },
    /// Run a configuration until SIGTERM or Ctrl-C
    #[command(after_help = "Example:
  rfid-host run --config branch.toml")]
    Run {
        #[command(flatten)]
        files: ConfigFiles,
    },
    /// Find everything that is wrong with a configuration, without touching a reader
    #[command(
        visible_alias = "validate",
        after_help = "Examples:
  rfid-host check --config branch.toml
  rfid-host check --config branch.toml --verbose      show what holds in each zone
  rfid-host check --config branch.toml --connect      ask the readers, too

Faults are printed as FILE:LINE:COL: key: what is wrong, what is allowed. Ends with 1 if there are any.
--connect ends what another client has running on a reader; it leaves them alone while rfid-host
runs on the same data folder."
    )]
    Check {
        #[command(flatten)]
        files: ConfigFiles,
        /// Take warnings for faults
        #[arg(long)]
        deny_warnings: bool,
        /// Open each reader and store, and see whether HTTP and the data folder can be used
        #[arg(long)]
        connect: bool,
        /// Show what holds in each pipeline and zone
        #[arg(long, short)]
        verbose: bool,
        /// How the result is printed
        #[arg(long, value_enum, default_value_t)]
        format: ResultFormat,
    },
    /// Write a commented configuration to begin with, which runs on an emulated reader
    #[command(after_help = "Examples:
  rfid-host init                                                     on an emulated reader
  rfid-host init branch.toml --driver mercury4 --address 192.168.10.20

Its JSON Schema is written beside it as rfid-host.schema.json, for editors.")]
    Init {
        /// Where to; a file that is there is left as it is
        #[arg(default_value = "rfid-host.toml")]
        file: PathBuf,
        #[command(flatten)]
        reader: FirstReader,
    },
    /// Show a configuration as it takes effect, a sample of one, or what one may say
    Config {
        #[command(subcommand)]
        act: ConfigAct,
    },
    /// Print the JSON Schema of a configuration, for editors
    #[command(after_help = "Example:
  rfid-host schema > rfid-host.schema.json

Editors with a TOML language server take it from the first line of the configuration:
  #:schema ./rfid-host.schema.json")]
    Schema,
    /// List the drivers that are there, or describe one
    #[command(after_help = "Examples:
  rfid-host drivers
  rfid-host drivers describe mercury4
  rfid-host drivers describe acme --plugin-dir ./plugins")]
    Drivers {
        /// List those of the plugins in this folder as well
        #[arg(long, value_name = "DIR", global = true)]
        plugin_dir: Option<PathBuf>,
        #[command(subcommand)]
        describe: Option<Describe>,
    },
    /// List the sinks that are there, or describe one
    #[command(after_help = "Examples:
  rfid-host sinks
  rfid-host sinks describe log
  rfid-host sinks --plugin-dir ./plugins")]
    Sinks {
        /// List those of the plugins in this folder as well
        #[arg(long, value_name = "DIR", global = true)]
        plugin_dir: Option<PathBuf>,
        #[command(subcommand)]
        describe: Option<Describe>,
    },
    /// Show whether a reader works: a live table of the tags that it hears, no configuration
    #[command(after_help = "Examples:
  rfid-host read mercury4 192.168.10.20
  rfid-host read mercury4 192.168.10.20:8080 --antennas 1,2 --set mode=autonomous
  rfid-host read mercury4 192.168.10.20 --once --json
  rfid-host read llrp 192.168.10.40 --set power_dbm=27
  rfid-host read mifare --transport pn532 --port /dev/ttyUSB0

Ends with Ctrl-C and leaves nothing running on the reader.")]
    Read {
        #[command(flatten)]
        reader: AnyReader,
        /// End after the first round that heard a tag
        #[arg(long)]
        once: bool,
        /// One JSON object a line for each read; with --once, for each tag and antenna
        #[arg(long)]
        json: bool,
    },
    /// Say what a reader is and how it is set; set its power or an output
    #[command(after_help = "Examples:
  rfid-host reader mercury4 192.168.10.20
  rfid-host reader mercury4 192.168.10.20 --power-dbm 27.5
  rfid-host reader thingmagic /dev/ttyUSB0 --output 1=high")]
    Reader {
        #[command(flatten)]
        reader: ReaderAddress,
        /// Set the transmit power for reading; with --antennas, of those ports alone
        #[arg(long, value_name = "DBM", allow_negative_numbers = true)]
        power_dbm: Option<f32>,
        /// Set an output
        #[arg(long = "output", value_name = "PIN=high|low", value_parser = reader::parse_level)]
        outputs: Vec<PinLevel>,
    },
    /// Read, write, lock or kill the tag that lies before a reader
    #[command(after_help = "Examples:
  rfid-host tag read mercury4 192.168.10.20 --bank tid --count 4
  rfid-host tag write-epc mercury4 192.168.10.20 urn:epc:tag:gsrn-96:0.9521141.1234567890 --dry-run
  rfid-host tag lock mercury4 192.168.10.20 epc=password access-password=password --password env:CARD_PASSWORD
  rfid-host tag kill mercury4 192.168.10.20 --tag 2D16451FD4499602D2000000 --kill-password env:CARD_KILL

Without --tag exactly one tag must lie before the antenna. Nothing is tried twice.")]
    Tag {
        #[command(subcommand)]
        act: TagAct,
    },
    /// Read or personalise the card that lies on a pad
    #[command(after_help = "Examples:
  rfid-host card dump --transport pcsc
  rfid-host card write-number 1234567890 --transport pcsc --dry-run \\
      --set read_secret=file:read.key --set record_secret=file:record.key --set write_secret=file:write.key

Keys come from the environment or from files and are never printed.")]
    Card {
        #[command(subcommand)]
        act: CardAct,
    },
    /// Find the readers of a network that you name
    #[command(after_help = "Examples:
  rfid-host discover 192.168.10.0/24
  rfid-host discover 192.168.10.0/24 --json
  rfid-host discover 10.1.0.0/20 --force --at-once 256

Looks for LLRP (port 5084) and Mercury 4 (port 8080). Each address is connected to, so ask whoever looks
after the network. An LLRP reader that serves somebody else tells them that somebody tried. Ends with 0 if
a reader was found, with 1 if none was.")]
    Discover(Discover),
    /// Be a reader
    Emulate {
        #[command(subcommand)]
        reader: Emulated,
    },
    /// Try presence on a simulated world, beside the rules of others
    Simulate {
        #[command(subcommand)]
        what: Simulated,
    },
    /// Say what the bits of an EPC mean, or which bits say it
    Epc {
        #[command(subcommand)]
        way: EpcWay,
        /// One JSON object a line
        #[arg(long, global = true)]
        json: bool,
    },
    /// Try the webhooks of a configuration, and send once more what was given up
    Webhook {
        #[command(subcommand)]
        act: WebhookAct,
    },
    /// Load data into the host's stores
    Import {
        #[command(subcommand)]
        what: Imported,
    },
    /// Take data out of the host's stores
    Export {
        #[command(subcommand)]
        what: Exported,
    },
    /// Make a report of the customer service
    #[command(after_help = "Examples:
  rfid-host report visits --from 2026-11-01 --to 2026-11-30 --by branch,day --config branch.toml > visits.csv
  rfid-host report absent --from 2026-11-01 --to 2026-11-30 --days 60 --format xlsx > absent.xlsx
  rfid-host report staff --from 2026-11-01 --to 2026-11-30 --format json | jq .rows

Days begin and end where the bank is (service.time_zone). Stop the daemon for as long, where the store is
embedded, or ask it over HTTP (/api/v1/reports).")]
    Report(MakeReport),
    /// Look after the accounts of people
    User {
        #[command(subcommand)]
        act: UserAct,
    },
    /// Verify and read the audit trail, and archive what is old
    Audit {
        #[command(subcommand)]
        act: AuditAct,
    },
    /// Print who may do what, as a table in Markdown
    #[command(after_help = "Examples:
  rfid-host rights
  rfid-host rights --language zh > 权限.md")]
    Rights {
        /// In which language
        #[arg(long, value_enum, default_value_t)]
        language: RightsLanguage,
    },
    /// Look after the people who work for the bank
    Staff {
        #[command(subcommand)]
        act: StaffAct,
    },
    /// Copy the customer service into a folder, while the daemon runs
    #[command(after_help = "Example:
  rfid-host backup /mnt/backup/2026-11-29 --config branch.toml

The folder gets customers, cards, visits, their history and photos, sealed as they are kept. The
master secret is not in it.")]
    Backup {
        #[command(flatten)]
        place: ServicePlace,
        /// The folder, which is made, or is empty
        folder: PathBuf,
    },
    /// Put a backup into a data folder that has no customer service yet
    #[command(after_help = "Example:
  rfid-host restore /mnt/backup/2026-11-29 --data-dir /var/lib/rfid-host/data

What is in the backup is held against what it says of itself; if it differs, nothing is restored.")]
    Restore {
        #[command(flatten)]
        place: ServicePlace,
        /// The folder of the backup
        folder: PathBuf,
    },
    /// Move the customer service from one store into another, and prove that both have the same
    #[command(after_help = "Example:
  rfid-host migrate-store --from branch.toml --to central.toml

Each configuration says by [store] where its store is and under which secret. Stop the daemon before. The
other store is empty, or holds what an interrupted move brought; records, their history and photos are
moved, both are read again, and counts and checksums compared. What is moved from stays as it is.")]
    MigrateStore {
        /// The configuration of the store that has everything
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        /// The configuration of the store that shall have it
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Bring the tables of a PostgreSQL store to what this version wants
    #[command(after_help = "Examples:
  rfid-host tables --config central.toml --dry-run   prints the SQL of what is missing
  rfid-host tables --config central.toml

The daemon does it by itself where its user may. Where it may not, the owner of the tables does it so.")]
    Tables {
        #[command(flatten)]
        place: ServicePlace,
        /// Print what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Look after the ledger, in which every event is registered
    Ledger {
        #[command(subcommand)]
        act: LedgerAct,
    },
    /// Show what a reader or a pipeline of a running daemon says, as it says it
    #[command(after_help = "Examples:
  rfid-host tap door                               reads of a reader, before presence
  rfid-host tap hubin --event arrived,departed     events of a pipeline, behind its sinks
  rfid-host tap hubin | jq .epc_hex                one JSON object a line where nobody looks

What is shown goes to standard output, remarks to standard error. Looking on holds nothing up.")]
    Tap(Tap),
    /// Keep what a reader really sends, to play it back as a reader
    #[command(after_help = "Examples:
  rfid-host record door door.rfidrec                of a running daemon, until Ctrl-C
  rfid-host record door door.rfidrec --for 10m
  rfid-host record door door.rfidrec --driver mercury4 --address 192.168.10.20     without one
  rfid-host record pad pad.rfidrec --driver mifare --set transport=pcsc
  rfid-host record door door.rfidrec --driver acme --plugin plugins/libacme.so --set port=1
  rfid-host record --show door.rfidrec              what a recording holds
  rfid-host record --show door.rfidrec --pcap door.pcap     the same for Wireshark

To play it, write driver = \"replay\" and file = \"door.rfidrec\" into a [readers.NAME] of a
configuration. The daemon opens its session with the reader anew, which takes a second or two.
Of mercury4, thingmagic and llrp every byte is kept, of plugins and of pads for cards what their driver
delivers: a replay gives the same events, and there is nothing to capture.
A recording is as confidential as the tags in it; its file is for its user alone.")]
    Record(Record),
    /// Watch a running daemon: readers, antennas, rates, queues, sinks
    #[cfg(feature = "top")]
    #[command(after_help = "Examples:
  rfid-host top
  rfid-host top --at 192.168.10.5:8460 --every 5s
  rfid-host top --once

q ends it; arrows and page keys scroll.")]
    Top(Top),
    /// Look at drivers and sinks from outside, and begin one
    Plugin {
        #[command(subcommand)]
        act: PluginAct,
    },
    /// Measure the daemon on this machine, with emulated readers
    #[command(after_help = "Examples:
  rfid-host bench
  rfid-host bench --readers 512 --tags 10000 --seconds 10
  rfid-host bench --rate 10000 --json
  rfid-host bench --protocol llrp --readers 200 --tags 200000 --rate 200000

The daemon runs as a process of its own, with its data in a folder that goes when the bench ends;
--data-dir says on which disk. Ends with 1 if a read or an arrival is missing.")]
    Bench(Bench),
    /// Print what a shell needs to complete the command line
    #[command(after_help = "Examples:
  rfid-host completion bash > /etc/bash_completion.d/rfid-host
  rfid-host completion fish > ~/.config/fish/completions/rfid-host.fish")]
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the man pages of all commands and of the configuration
    #[command(after_help = "Example:
  rfid-host manpage --directory man")]
    Manpage {
        /// Where to; the folder is made if it is not there
        #[arg(long, value_name = "DIR")]
        directory: PathBuf,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ResultFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Describe {
    /// Show options and an example
    Describe {
        /// The driver or sink
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Imported {
    /// Records of tags for `source = "directory"`, in place of those that were there
    #[command(after_help = "Example:
  rfid-host import directory customers.csv --data-dir ./data

The first line names the columns, the first column is tag (EPC or UID in hexadecimal digits).
All of the file is taken, or nothing of it.")]
    Directory {
        /// The CSV file
        file: PathBuf,
    },
    /// Customers for `source = "service"`, beside those that are there
    #[command(after_help = "Examples:
  rfid-host import customers customers.csv --config branch.toml --dry-run
  rfid-host import customers customers.csv --config branch.toml

The first line names the columns, in any order: customer_number (客户号), name (姓名), vip_class
(VIP等级), branch (网点), and if wanted id_number (身份证号), employer (工作单位), usual_business (常办业务),
account_manager (客户经理, a staff number), notes (备注), consent (识别同意: given or 是, opted_out or 否).
All of the file is taken, or nothing of it. Somebody who has not agreed is not recognised.")]
    Customers(ImportFile),
    /// Cards that came encoded, each for a customer who is there
    #[command(after_help = "Example:
  rfid-host import cards cards.csv --config branch.toml

The first line names the columns, in any order: customer_number (客户号), valid_from (生效日期),
valid_until (失效日期), epc_hex (EPC) or uid_hex (UID) or both, and if wanted branches (可用网点, codes with ;
between) and state (状态, active if left out). All of the file is taken, or nothing of it.")]
    Cards(ImportFile),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn no_command_contradicts_itself() {
        super::Cli::command().debug_assert();
    }
}
