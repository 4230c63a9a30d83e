//! `rfid-host reader`: what a reader is and how it is set.

use rfid_core::abilities::PinLevel;
use rfid_core::{DynSession, ErrorKind};

use super::read::{headline, session};
use crate::cli::ReaderAddress;

pub(crate) async fn run(
    reader: &ReaderAddress,
    power_dbm: Option<f32>,
    outputs: &[PinLevel],
) -> anyhow::Result<()> {
    let mut session = session(reader)?;
    let outcome = show(&mut *session, reader, power_dbm, outputs).await;
    // The reader is left as it was found but for what was asked, whatever came of it.
    let closed = session.close().await;
    outcome?;
    Ok(closed?)
}

async fn show(
    session: &mut dyn DynSession,
    reader: &ReaderAddress,
    power_dbm: Option<f32>,
    outputs: &[PinLevel],
) -> anyhow::Result<()> {
    let info = session.open().await?;
    println!("{}", headline(&info));
    if let Some(serial) = &info.serial {
        println!("serial number {serial}");
    }
    match session.tune() {
        Some(tune) => {
            if let Some(dbm) = power_dbm {
                let cdbm = (dbm * 100.0).round() as i16;
                match reader.antennas.as_slice() {
                    [] => drop(tune.set_read_power_cdbm(cdbm).await?),
                    ports => {
                        for port in ports {
                            tune.set_read_power_of_port_cdbm(*port, cdbm).await?;
                        }
                    }
                }
            }
            match tune.read_power_cdbm().await {
                Ok(cdbm) => println!("power {} dBm", dbm(cdbm)),
                Err(error) if error.kind() == ErrorKind::Unsupported => println!("power unknown: {error}"),
                Err(error) => return Err(error.into()),
            }
            for port in &info.antenna_ports {
                match tune.read_power_of_port_cdbm(*port).await {
                    Ok(cdbm) => println!("power of antenna {port} {} dBm", dbm(cdbm)),
                    Err(error) if error.kind() == ErrorKind::Unsupported => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        None => anyhow::ensure!(power_dbm.is_none(), "the power of this reader cannot be set"),
    }
    match session.gpio() {
        Some(gpio) => {
            for level in outputs {
                gpio.set_output(*level).await?;
                println!("output {} is {} now", level.pin, word(*level));
            }
            for level in gpio.inputs().await? {
                println!("input {} is {}", level.pin, word(level));
            }
        }
        None => anyhow::ensure!(outputs.is_empty(), "this reader has no outputs"),
    }
    Ok(())
}

fn dbm(cdbm: i16) -> String {
    format!("{:.2}", f32::from(cdbm) / 100.0)
}

fn word(level: PinLevel) -> &'static str {
    if level.high { "high" } else { "low" }
}
