//! `epc`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum EpcWay {
    /// From the hexadecimal digits of a tag to URIs and the GS1 key
    #[command(after_help = "Examples:
  rfid-host epc decode 2D16451FD4499602D2000000
  rfid-host epc decode --json < digits.txt

What no scheme accounts for is given as a raw URI, with the reason.")]
    Decode {
        /// Digits of one EPC each; without any, a line of standard input each
        #[arg(value_name = "HEX")]
        epcs: Vec<String>,
    },
    /// From a URI, an element string or a GS1 Digital Link to the digits for a tag
    #[command(after_help = "Examples:
  rfid-host epc encode urn:epc:tag:gsrn-96:0.9521141.1234567890
  rfid-host epc encode urn:epc:id:gsrn:9521141.1234567890
  rfid-host epc encode '(8018)952114112345678906'
  rfid-host epc encode https://id.gs1.org/8018/952114112345678906

A pure identity is encoded in the shortest scheme that can hold it, a key of GS1 in its plus scheme.")]
    Encode {
        /// What the tag is to say; without any, a line of standard input each
        #[arg(value_name = "TEXT")]
        texts: Vec<String>,
        /// Filter value, where the text does not say one
        #[arg(long, value_name = "N", default_value_t = 0)]
        filter: u8,
    },
}
