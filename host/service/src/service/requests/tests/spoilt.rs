use super::*;

#[tokio::test]
async fn a_spoilt_card_waits_until_somebody_else_has_seen_it_destroyed() {
    let mut desk = Desk::new().await;
    let customer = desk.opened().await.record.id;
    let supervisor = desk.bank.person("BS1", &[Role::BranchSupervisor]).await;
    desk.bank.employ("IC2", "a", &[Role::IssuingClerk]).await;
    desk.next_day().await;
    let other_clerk = desk.bank.log_in("IC2", "10.0.0.21").await;
    let service = desk.service();
    let request = desk.submitted(card(None)).await;
    let id = request.record.id;
    desk.approved_by(&desk.reviewer, &request).await.unwrap();
    // Nothing lay on a desk yet.
    assert!(not_allowed(service.spoil_card(&desk.clerk, id).await).contains("never lay"));
    desk.bank.desk.lay(1);
    let encoded = service.encode_card(&desk.clerk, id, "desk").await.unwrap();
    let first = desk.card_of(&encoded.record).await;
    // It is not spoilt yet, so nobody confirms anything; and who issues no cards gives none up.
    let early = service.confirm_destroyed(&desk.reviewer, first.record.id, first.version).await;
    assert!(not_allowed(early).contains("issued"));
    assert!(matches!(service.spoil_card(&desk.reviewer, id).await, Err(Fault::Forbidden(_))));
    // Another clerk finds that it cannot be read, and gives it up.
    let again = service.spoil_card(&other_clerk, id).await.unwrap();
    assert_eq!(again.record.state, RequestState::Approved);
    let spoilt: Stored<Card> = service.get(Key::Card(first.record.id), "card").await.unwrap();
    assert_eq!(spoilt.record.state, CardState::Spoilt);
    let waiting = service.cards_in_state(&supervisor, CardState::Spoilt, None, 10).await.unwrap().0;
    assert_eq!(waiting.len(), 1);
    let shown = serde_json::to_value(crate::service::view::CardView::of(&waiting[0])).unwrap();
    assert_eq!(shown["spoilt"]["by"], other_clerk.grant.who().unwrap().to_string());
    // Neither who encoded it nor who gave it up, nor the console, which is nobody.
    let (card_id, version) = (spoilt.record.id, spoilt.version);
    for one in [&desk.clerk, &other_clerk] {
        assert!(not_allowed(service.confirm_destroyed(one, card_id, version).await).contains("in hand"));
    }
    let console = service.confirm_destroyed(&Caller::console(), card_id, version).await;
    assert!(not_allowed(console).contains("a person"));
    let (one, other) = tokio::join!(
        service.confirm_destroyed(&supervisor, card_id, version),
        service.confirm_destroyed(&desk.reviewer, card_id, version)
    );
    assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1);
    let destroyed = one.or(other).unwrap();
    let plastic = destroyed.record.plastic.clone().unwrap();
    assert_eq!(destroyed.record.state, CardState::Destroyed);
    assert_ne!(plastic.spoilt.unwrap().by, plastic.destroyed.unwrap().by);
    assert!(service.cards_in_state(&supervisor, CardState::Spoilt, None, 10).await.unwrap().0.is_empty());
    let told = desk.bank.told().await;
    for action in ["card.spoilt", "card.destroyed"] {
        assert!(told.iter().any(|told| told.entry.action == action && told.entry.outcome == Outcome::Done));
    }
    // The next one gets another number, and is handed over.
    desk.bank.desk.lay(2);
    service.encode_card(&desk.clerk, id, "desk").await.unwrap();
    let done = service.verify_card(&desk.clerk, id, "desk").await.unwrap();
    let second = desk.card_of(&done.record).await.record;
    assert_eq!((second.state, second.plastic), (CardState::Active, None));
    assert_ne!(second.epc, first.record.epc);
    assert_eq!(service.store.cards_of(customer).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_card_that_is_given_up_on_the_desk_is_spoilt_and_one_that_never_lay_there_is_not() {
    let mut desk = Desk::new().await;
    desk.opened().await;
    desk.next_day().await;
    let service = desk.service();
    let mut states = Vec::new();
    for (lies, is_revoked) in [(false, false), (true, false), (true, true)] {
        let request = desk.submitted(card(None)).await;
        desk.approved_by(&desk.reviewer, &request).await.unwrap();
        if lies {
            desk.bank.desk.lay(if is_revoked { 2 } else { 1 });
            service.encode_card(&desk.clerk, request.record.id, "desk").await.unwrap();
        }
        if is_revoked {
            let card = desk.card_of(&request.record).await;
            let next = CardState::Revoked;
            service.change_card_state(&desk.clerk, card.record.id, card.version, next).await.unwrap();
        }
        service.cancel_request(&desk.clerk, request.record.id, "".into()).await.unwrap();
        states.push(desk.card_of(&request.record).await.record.state);
    }
    assert_eq!(states, [CardState::Revoked, CardState::Spoilt, CardState::Spoilt]);
}
