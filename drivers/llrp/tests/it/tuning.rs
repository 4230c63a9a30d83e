//! Power and pins.

use rfid_core::ErrorKind;
use rfid_core::abilities::PinLevel;
use rfid_llrp::Message;
use rfid_llrp::enumeration::StatusCode;
use rfid_llrp::message::*;
use rfid_llrp::parameter::*;

use crate::peer::{Answer, as_usual, refusal, session};

#[tokio::test(start_paused = true)]
async fn power_is_told_and_set_by_the_readers_own_table() {
    let (mut session, peer) = session("", as_usual);
    session.open().await.unwrap();
    let tune = session.tune().unwrap();
    assert_eq!(tune.read_power_cdbm().await.unwrap(), 3000);
    assert_eq!(tune.read_power_of_port_cdbm(2).await.unwrap(), 1000);
    assert_eq!(tune.set_read_power_cdbm(2500).await.unwrap(), 2025, "the nearest below");
    assert_eq!(tune.read_power_of_port_cdbm(4).await.unwrap(), 2025);
    assert_eq!(tune.set_read_power_of_port_cdbm(1, 1000).await.unwrap(), 1000);
    for (cdbm, port) in [(999, 1), (3001, 1)] {
        let error = tune.set_read_power_of_port_cdbm(port, cdbm).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Regulatory);
        assert!(error.detail().unwrap().contains("takes 1000 to 3000"), "{error}");
    }
    assert_eq!(tune.read_power_of_port_cdbm(5).await.unwrap_err().kind(), ErrorKind::Unsupported);
    session.start().await.unwrap();
    let [spec] = &peer.ro_specs()[..] else { panic!() };
    let Spec::AISpec(reading) = &spec.specs[0] else { panic!() };
    let configurations = &reading.inventory_parameter_specs[0].antenna_configurations;
    let powers: Vec<u16> = configurations
        .iter()
        .filter_map(|antenna| antenna.rf_transmitter.as_ref().map(|transmitter| transmitter.transmit_power))
        .collect();
    assert_eq!(powers, [3, 9], "each antenna inventories with its own");
}

#[tokio::test(start_paused = true)]
async fn a_power_that_the_reader_refuses_is_not_remembered() {
    let (mut session, _) = session("", |message| match message {
        Message::SetReaderConfig(_) => {
            let status = refusal(StatusCode::M_PARAMETER_ERROR, "not in this region");
            Answer::Say(vec![SetReaderConfigResponse { status }.into()])
        }
        _ => Answer::Usual,
    });
    session.open().await.unwrap();
    let tune = session.tune().unwrap();
    let error = tune.set_read_power_cdbm(1000).await.unwrap_err();
    assert!(error.detail().unwrap().contains("not in this region"), "{error}");
    assert_eq!(tune.read_power_cdbm().await.unwrap(), 3000);
}

#[tokio::test(start_paused = true)]
async fn pins_are_counted_from_1() {
    let (mut session, peer) = session("", as_usual);
    session.open().await.unwrap();
    let gpio = session.gpio().unwrap();
    let levels = [PinLevel { pin: 1, high: false }, PinLevel { pin: 2, high: true }];
    assert_eq!(gpio.inputs().await.unwrap(), levels);
    gpio.set_output(PinLevel { pin: 3, high: true }).await.unwrap();
    let Some(Message::SetReaderConfig(config)) = peer.heard().pop() else { panic!() };
    assert_eq!(config.gpo_write_data, [GPOWriteData { gpo_port_number: 3, gpo_data: true }]);
    for pin in [0, 4] {
        let error = gpio.set_output(PinLevel { pin, high: true }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.detail().unwrap().contains("there are 1 to 3"), "{error}");
    }
}
