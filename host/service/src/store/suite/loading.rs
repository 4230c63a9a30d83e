//! What every store is held to when much is loaded at once.

use super::*;

/// Gives portions, and then ends as it is told to.
pub(super) struct Portions {
    pub(super) portions: Vec<Vec<Record>>,
    pub(super) fails: bool,
}

#[async_trait]
impl Supply for Portions {
    async fn next(&mut self) -> Result<Option<Vec<Record>>> {
        match self.portions.pop() {
            Some(portion) => Ok(Some(portion)),
            None if self.fails => Err(Error::new(ErrorKind::Config, "supply").with_detail("line 7 is wrong")),
            None => Ok(None),
        }
    }
}

pub(super) fn portions(fails: bool) -> Portions {
    let portion = |from: u8| {
        let customer = |number: u8| {
            let number_of_customer = Customer { id_number: None, ..customer(number, number) };
            [Record::from(number_of_customer), card(number, number, number.max(1) + 2).into()]
        };
        (from..from + 40).flat_map(customer).collect()
    };
    Portions { portions: vec![portion(0), portion(40), portion(80)], fails }
}

/// A load is there wholly, with its history, and commits go on over it.
pub async fn a_load_is_there_wholly(rig: &dyn Rig) {
    let store = rig.open().await;
    // The tag of the first card of each portion is its neighbour's, so give it another.
    let mut supply = portions(false);
    for record in supply.portions.iter_mut().flatten() {
        if let Record::Card(card) = record {
            let number = card.id.to_bytes()[0];
            (card.epc, card.uid) = (Some(tag(TagIdKind::Epc, number)), None);
        }
    }
    let count = store.load(origin(3), &mut supply).await.unwrap();
    assert_eq!(count, 240);
    store.close().await;
    let store = rig.open().await;
    assert_eq!(store.count(Kind::Customer).await.unwrap(), 120);
    let holders = store.holders(&[tag(TagIdKind::Epc, 77)]).await.unwrap();
    let holder = holders.into_iter().flatten().next().unwrap();
    assert_eq!((holder.card.version, holder.customer.record.id), (1, customer(77, 0).id));
    let past = store.history(&Key::Customer(customer(100, 0).id), None, 5).await.unwrap();
    assert_eq!(
        past.iter().map(|past| (past.version, past.origin.clone())).collect::<Vec<_>>(),
        [(1, origin(3))]
    );
    let again = Commit { origin: origin(4), changes: vec![Change::new(customer(5, 200))] };
    assert!(matches!(store.commit(again).await, Err(CommitFault::Conflict { found: 1, .. })));
    store.close().await;
}

/// A load that its supply or a double number ends leaves nothing.
pub async fn a_load_that_fails_leaves_nothing(rig: &dyn Rig) {
    let store = rig.open().await;
    let outcome = store.load(origin(3), &mut Portions { fails: true, ..portions(true) }).await;
    assert!(outcome.is_err());
    let double =
        Portions { portions: vec![vec![customer(7, 3).into()], vec![customer(8, 3).into()]], fails: false };
    let outcome = store.load(origin(3), &mut { double }).await;
    assert!(matches!(outcome, Err(CommitFault::Taken { field: "customer_number", .. })), "{outcome:?}");
    let outcome =
        store.commit(Commit { origin: origin(1), changes: vec![Change::new(customer(1, 1))] }).await;
    assert!(outcome.is_ok());
    let taken = Portions { portions: vec![vec![customer(9, 1).into()]], fails: false };
    let outcome = store.load(origin(3), &mut { taken }).await;
    assert!(matches!(outcome, Err(CommitFault::Taken { .. })), "{outcome:?}");
    store.close().await;
    let store = rig.open().await;
    let counts = (store.count(Kind::Customer).await.ok(), store.count(Kind::Card).await.ok());
    assert_eq!(counts, (Some(1), Some(0)));
    store.close().await;
}

/// Waits for ever behind its first portion.
struct Stuck(Option<Vec<Record>>);

#[async_trait]
impl Supply for Stuck {
    async fn next(&mut self) -> Result<Option<Vec<Record>>> {
        match self.0.take() {
            Some(portion) => Ok(Some(portion)),
            None => std::future::pending().await,
        }
    }
}

/// A load whose caller goes away leaves nothing, and the store goes on.
pub async fn a_load_that_is_given_up_leaves_nothing(rig: &dyn Rig) {
    let store = rig.open().await;
    let loading = Arc::clone(&store);
    let task = tokio::spawn(async move {
        let mut supply = Stuck(Some(vec![customer(1, 1).into()]));
        loading.load(origin(1), &mut supply).await.map(drop)
    });
    tokio::task::yield_now().await;
    task.abort();
    // Ended, not finished.
    assert!(task.await.is_err());
    let outcome =
        store.commit(Commit { origin: origin(1), changes: vec![Change::new(customer(1, 2))] }).await;
    assert_eq!(outcome.unwrap(), [1]);
    assert_eq!(store.count(Kind::Customer).await.ok(), Some(1));
    store.close().await;
}
