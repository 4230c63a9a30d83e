//! An Acme reader that is a program: `acme-reader 127.0.0.1:7700 300833B2DDD9014000000001`.

use std::env::args;
use std::error::Error;

use rfid_core::{TagId, TagIdKind};
use rfid_driver_acme::emulator::Field;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = args().skip(1);
    let Some(address) = arguments.next().filter(|address| !address.starts_with('-')) else {
        return Err("write an address and the EPCs of tags: acme-reader 127.0.0.1:7700 3001 3002".into());
    };
    let tags: Vec<TagId> =
        arguments.map(|digits| TagId::from_hex(TagIdKind::Epc, &digits)).collect::<Result<_, _>>()?;
    let field = Field::default();
    field.lay_tags(&tags);
    let listener = TcpListener::bind(address).await?;
    println!("an Acme reader with {} tags at {}", tags.len(), listener.local_addr()?);
    Ok(field.serve(listener).await?)
}
