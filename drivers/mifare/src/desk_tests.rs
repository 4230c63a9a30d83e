use proptest::prelude::*;

use super::*;
use crate::coupler::{Coupler, Pad};
use crate::sim::{CardFaults, SimulatedCard, SimulatedPad, TornWrite};

fn reading() -> ReadingKeys {
    ReadingKeys {
        reading: SecretKey::new([1; 16]),
        signing: SecretKey::new([2; 16]),
        sector: Sector::of_block(4),
    }
}

fn writing() -> WritingKeys {
    WritingKeys { writing: SecretKey::new([3; 16]), version: 1 }
}

fn uid() -> Uid {
    Uid::try_from([4, 0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6].as_slice()).unwrap()
}

fn number(number: u64) -> CustomerNumber {
    CustomerNumber::Number(number)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn pad_with(card: SimulatedCard) -> SimulatedPad {
    let pad = SimulatedPad::default();
    pad.lay(card);
    pad
}

async fn write(pad: &SimulatedPad, number: CustomerNumber) -> Result<Plan> {
    let (reading, writing) = (reading(), writing());
    let mut coupler = pad.clone();
    let mut card = Card::select(&mut coupler, uid()).await.map_err(|fault| error("select", fault))?;
    Desk { reading: &reading, writing: &writing }.write_number(&mut card, number).await
}

async fn format(pad: &SimulatedPad) -> Result<()> {
    let (reading, writing) = (reading(), writing());
    let mut coupler = pad.clone();
    let mut card = Card::select(&mut coupler, uid()).await.map_err(|fault| error("select", fault))?;
    Desk { reading: &reading, writing: &writing }.format(&mut card).await
}

async fn found(pad: &SimulatedPad) -> Found {
    let mut coupler = pad.clone();
    let mut card = Card::select(&mut coupler, uid()).await.unwrap();
    reading().find(&mut card).await.unwrap()
}

async fn is_authentic(pad: &SimulatedPad) -> bool {
    let mut coupler = pad.clone();
    let Pad::Card(target) = coupler.look(&Pad::Empty, std::time::Duration::ZERO).await.unwrap() else {
        panic!("no card lies there")
    };
    let mut card = Card::select(&mut coupler, target.uid).await.unwrap();
    reading().is_authentic(&mut card).await.unwrap()
}

/// The number that counts, whoever's keys open the sector.
async fn counts(pad: &SimulatedPad) -> Option<CustomerNumber> {
    match found(pad).await {
        Found::Factory(Content::Current(_, record)) | Found::Ours(Content::Current(_, record)) => {
            Some(record.number)
        }
        _ => None,
    }
}

fn again(pad: &SimulatedPad) {
    if let Some(card) = pad.card().as_mut() {
        card.faults = CardFaults::default();
        card.lay_on();
    }
}

#[test]
fn a_new_card_gets_its_number_and_our_keys_and_becomes_authentic() {
    run(async {
        let pad = pad_with(SimulatedCard::classic_1k(uid()));
        assert!(!is_authentic(&pad).await);
        let plan = write(&pad, number(42)).await.unwrap();
        assert_eq!((plan.is_new, plan.replaces, plan.record.key_version), (true, None, 1));
        assert!(is_authentic(&pad).await);
        let plan = write(&pad, number(43)).await.unwrap();
        assert_eq!((plan.is_new, plan.replaces), (false, Some(number(42))));
        assert_eq!(counts(&pad).await, Some(number(43)));
        let card = pad.lift().unwrap();
        let trailer = card.block(7).unwrap();
        assert_eq!(trailer[..6], reading().key_a(&uid()).reveal()[..]);
        assert_eq!(trailer[6..9], [0x78, 0x77, 0x88]);
        assert_eq!(card.block(3), SimulatedCard::classic_1k(uid()).block(3), "other sectors are left alone");
    });
}

#[test]
fn a_formatted_card_is_as_from_the_factory() {
    run(async {
        let pad = pad_with(SimulatedCard::classic_1k(uid()));
        write(&pad, number(42)).await.unwrap();
        format(&pad).await.unwrap();
        let (card, new) = (pad.lift().unwrap(), SimulatedCard::classic_1k(uid()));
        for block in 0..64 {
            assert_eq!(card.block(block), new.block(block), "block {block}");
        }
    });
}

#[test]
fn a_copy_with_another_uid_is_not_authentic() {
    run(async {
        let pad = pad_with(SimulatedCard::classic_1k(uid()));
        write(&pad, number(42)).await.unwrap();
        let original = pad.lift().unwrap();
        // All of the memory, on a card with another UID: the key is derived from the wrong one.
        let mut copy = SimulatedCard::classic_1k(Uid::try_from([4, 1, 2, 3, 4, 5, 6].as_slice()).unwrap());
        (1..64).for_each(|block| copy.set_block(block, *original.block(block).unwrap()));
        pad.lay(copy);
        assert!(!is_authentic(&pad).await);
        // The UID alone, as a phone copies it.
        pad.lay(SimulatedCard::classic_1k(uid()));
        assert!(!is_authentic(&pad).await);
        pad.lay(SimulatedCard::new(uid(), crate::model::CardKind::Ultralight));
        assert!(!is_authentic(&pad).await);
    });
}

#[test]
fn no_number_is_bound_to_a_uid_that_the_card_made_up() {
    run(async {
        let made_up = Uid::try_from([8, 1, 2, 3].as_slice()).unwrap();
        let pad = pad_with(SimulatedCard::classic_1k(made_up));
        let (reading, writing) = (reading(), writing());
        let mut coupler = pad.clone();
        let mut card = Card::select(&mut coupler, made_up).await.unwrap();
        let desk = Desk { reading: &reading, writing: &writing };
        let refused = desk.write_number(&mut card, number(42)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Denied);
        assert!(refused.to_string().contains("makes up a UID"), "{refused}");
        assert_eq!(pad.lift().unwrap().block(4), Some(&[0; BLOCK]), "nothing was written");
    });
}

#[test]
fn what_somebody_else_uses_is_left_alone() {
    run(async {
        let mut card = SimulatedCard::classic_1k(uid());
        card.set_block(4, [7; BLOCK]);
        let pad = pad_with(card);
        let refused = write(&pad, number(42)).await.unwrap_err();
        assert!(refused.to_string().contains("not blank"), "{refused}");
        let mut card = SimulatedCard::classic_1k(uid());
        let mut trailer = *card.block(7).unwrap();
        trailer[0] = 1;
        card.set_block(7, trailer);
        pad.lay(card);
        for refused in [write(&pad, number(42)).await.map(drop), format(&pad).await] {
            let refused = refused.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Denied);
            assert!(refused.to_string().contains("opens neither"), "{refused}");
        }
    });
}

proptest! {
    /// A card that has a number, pulled away while it gets another one: it holds one of them,
    /// and trying again brings the new one.
    #[test]
    fn a_torn_write_leaves_the_old_number_or_the_new_one(bytes in 0usize..=16, writes in 1u64..5) {
        run(async {
            let pad = pad_with(SimulatedCard::classic_1k(uid()));
            for earlier in 0..writes {
                write(&pad, number(earlier)).await.unwrap();
            }
            if let Some(card) = pad.card().as_mut() {
                card.faults.torn_write = Some(TornWrite { after: 0, bytes });
            }
            prop_assert!(write(&pad, number(99)).await.is_err());
            again(&pad);
            let left = counts(&pad).await;
            prop_assert!(left == Some(number(writes - 1)) || left == Some(number(99)), "{:?}", left);
            write(&pad, number(99)).await.unwrap();
            prop_assert_eq!(counts(&pad).await, Some(number(99)));
            Ok(())
        })?;
    }

    /// A new card, pulled away after any command and with any part of the write done: unless the
    /// trailer is torn in its middle, the card can be finished, if need be by formatting it first.
    #[test]
    fn a_new_card_that_is_pulled_away_can_be_finished(
        torn_at in prop::option::of((0u32..2, 0usize..=16)), gone_after in prop::option::of(0u32..20)
    ) {
        // Key A half old and half new is what nobody can open: see `Desk::write_number`.
        prop_assume!(!matches!(torn_at, Some((1, 1..16))));
        run(async {
            let mut card = SimulatedCard::classic_1k(uid());
            card.faults.torn_write = torn_at.map(|(after, bytes)| TornWrite { after, bytes });
            card.faults.gone_after = gone_after;
            let pad = pad_with(card);
            let outcome = write(&pad, number(7)).await;
            again(&pad);
            if outcome.is_ok() {
                prop_assert!(is_authentic(&pad).await);
            }
            if write(&pad, number(7)).await.is_err() {
                format(&pad).await.unwrap();
                write(&pad, number(7)).await.unwrap();
            }
            prop_assert!(is_authentic(&pad).await);
            prop_assert_eq!(counts(&pad).await, Some(number(7)));
            Ok(())
        })?;
    }

    /// Taking a card's number off again, pulled away anywhere but in the trailer.
    #[test]
    fn formatting_can_be_repeated(after in 0u32..3, bytes in 0usize..=16) {
        run(async {
            let pad = pad_with(SimulatedCard::classic_1k(uid()));
            write(&pad, number(7)).await.unwrap();
            if let Some(card) = pad.card().as_mut() {
                card.faults.torn_write = Some(TornWrite { after, bytes });
            }
            prop_assert!(format(&pad).await.is_err());
            again(&pad);
            format(&pad).await.unwrap();
            let (card, new) = (pad.lift().unwrap(), SimulatedCard::classic_1k(uid()));
            prop_assert_eq!(card.block(7), new.block(7));
            Ok(())
        })?;
    }
}
