use std::sync::Arc;

use rfid_core::SystemClock;
use tempfile::TempDir;

use super::*;
use crate::randomness::SystemRandomness;
use crate::recognition::RecognitionSettings;
use crate::record::{CardState, Kind};
use crate::service::BranchDraft;
use crate::store::MemoryStore;

struct Desk {
    service: Service,
    folder: TempDir,
}

impl Desk {
    async fn new() -> Self {
        let (clock, randomness) = (Arc::new(SystemClock::new()), Arc::new(SystemRandomness));
        let store = Arc::new(MemoryStore::new());
        let service = Service::new(store, RecognitionSettings::default(), clock, randomness);
        let branch = BranchDraft { code: "hubin".into(), name: "湖滨支行".to_owned(), position: None };
        service.take_branches(&Caller::console(), &[branch]).await.unwrap();
        Self { service, folder: TempDir::new().unwrap() }
    }

    async fn customers(&self, bytes: &[u8], dry_run: bool) -> Result<u64, ImportFault> {
        let file = self.folder.path().join("customers.csv");
        std::fs::write(&file, bytes).unwrap();
        import_customers(&self.service, &Caller::console(), &file, dry_run, |_| ()).await
    }

    async fn cards(&self, text: &str) -> Result<u64, ImportFault> {
        let file = self.folder.path().join("cards.csv");
        std::fs::write(&file, text).unwrap();
        import_cards(&self.service, &Caller::console(), &file, false, |_| ()).await
    }

    async fn name(&self, number: &str) -> String {
        let found = self.service.customer_of_number(&Caller::console(), number).await.unwrap();
        found.record.name.reveal().clone()
    }
}

fn lines(fault: ImportFault) -> Vec<(u64, String)> {
    match fault {
        ImportFault::Lines { shown, .. } => shown,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn customers_come_with_names_of_columns_in_either_language_and_encoding() {
    let desk = Desk::new().await;
    let english = "\u{feff}customer_number,name,vip_class,branch,id_number,consent\n6001,张小明,gold,hubin,11010519491231002X,given\n";
    assert_eq!(desk.customers(english.as_bytes(), true).await.unwrap(), 1);
    assert_eq!(desk.service.store().count(Kind::Customer).await.unwrap(), 0, "a dry run writes nothing");
    assert_eq!(desk.customers(english.as_bytes(), false).await.unwrap(), 1);
    let chinese =
        "姓名,客户号,网点,VIP等级,识别同意\n王芳,6002,hubin,白金,是\n\n\"李, \"\"老\"\"\",6003,hubin,金,\n";
    let (gb, _, unmappable) = encoding_rs::GB18030.encode(chinese);
    assert!(!unmappable);
    assert_eq!(desk.customers(&gb, false).await.unwrap(), 2);
    assert_eq!(
        [desk.name("6001").await, desk.name("6002").await, desk.name("6003").await],
        ["张小明", "王芳", "李, \"老\""]
    );
    assert_eq!(
        desk.service.customers_of_id_number(&Caller::console(), "11010519491231002X").await.unwrap().len(),
        1
    );
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_with_its_line_and_nothing_is_imported() {
    let desk = Desk::new().await;
    desk.customers("customer_number,name,vip_class,branch\n6001,a,gold,hubin\n".as_bytes(), false)
        .await
        .unwrap();
    let text = "customer_number,name,vip_class,branch,id_number,account_manager,consent\n\
                6001,张,gold,hubin,,,\n\
                6002,,gold,hubin,110105194912310021,,maybe\n\
                6003,王,gold,elsewhere,,S9,\n\
                6003,王,gold,hubin,,,\n\
                6004,赵\n\
                6005,钱,gold,hubin,,,\n";
    let said = lines(desk.customers(text.as_bytes(), false).await.unwrap_err());
    let places: Vec<(u64, &str)> =
        said.iter().map(|(line, what)| (*line, what.split(':').next().unwrap())).collect();
    assert_eq!(
        places,
        [
            (6, "2 cells, and 7 columns"),
            (2, "customer_number"),
            (3, "consent"),
            (3, "id_number"),
            (3, "name"),
            (4, "branch"),
            (4, "account_manager"),
            (5, "customer_number"),
        ]
    );
    assert!(said.iter().all(|(_, what)| !what.contains("110105")), "{said:?}");
    assert_eq!(desk.service.store().count(Kind::Customer).await.unwrap(), 1);
}

#[tokio::test]
async fn a_header_that_does_not_fit_is_told_with_what_is_known() {
    let desk = Desk::new().await;
    for (header, says) in [
        ("customer_number,name,vip_class\n", "the column branch is missing"),
        ("customer_number,colour\n", "a column that is not known; known are: customer_number (客户号)"),
        ("name,姓名\n", "the column name is there twice"),
    ] {
        let said = desk.customers(header.as_bytes(), false).await.unwrap_err().to_string();
        assert!(said.contains(says), "{said}");
    }
}

#[tokio::test]
async fn cards_are_bound_to_customers_and_bear_a_number_once() {
    let desk = Desk::new().await;
    desk.customers(
        "customer_number,name,vip_class,branch\n6001,a,gold,hubin\n6002,b,gold,hubin\n".as_bytes(),
        false,
    )
    .await
    .unwrap();
    let cards = "customer_number,epc_hex,uid_hex,valid_from,valid_until,branches,state\n\
                 6001,2D0000000000000000000001,04A2B3C4,2026-01-01,2028-12-31,,\n\
                 6002,2D0000000000000000000002,,2026-01-01,2028-12-31,hubin,suspended\n";
    assert_eq!(desk.cards(cards).await.unwrap(), 2);
    let tag = "epc:2D0000000000000000000002".parse().unwrap();
    let card = desk.service.card_of_tag(&Caller::console(), tag).await.unwrap().record;
    assert_eq!(card.state, CardState::Suspended);
    let wrong = "customer_number,epc_hex,uid_hex,valid_from,valid_until,branches,state\n\
                 6001,2D0000000000000000000001,,2026-01-01,2028-12-31,,\n\
                 6009,2D03,04A2,2026-13-01,2028-12-31,hubn,gone\n\
                 6001,2D04,,2026-01-01,2025-12-31,,\n\
                 6001,2D05,,2026-01-01,2028-12-31,,\n\
                 6002,2D05,,2026-01-01,2028-12-31,,\n";
    let said = lines(desk.cards(wrong).await.unwrap_err());
    let places: Vec<(u64, &str)> =
        said.iter().map(|(line, what)| (*line, what.split(':').next().unwrap())).collect();
    assert_eq!(
        places,
        [
            (2, "epc_hex"),
            (3, "valid_from"),
            (3, "state"),
            (3, "customer_number"),
            (4, "valid_until"),
            (6, "epc_hex")
        ]
    );
}

#[tokio::test]
async fn hostile_files_are_told_and_never_taken() {
    let desk = Desk::new().await;
    let header = "customer_number,name,vip_class,branch\n";
    let quote = format!("{header}6001,\"{}", "a,\n".repeat(100_000));
    let said = desk.customers(quote.as_bytes(), false).await.unwrap_err().to_string();
    assert!(said.contains("line 2: more than 65536 bytes"), "{said}");
    let utf_16: Vec<u8> = "\u{feff}name".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(desk.customers(&utf_16, false).await.unwrap_err().to_string().contains("UTF-16"));
    let wide = format!("{header}{}\n", ",".repeat(100_000));
    assert!(desk.customers(wide.as_bytes(), false).await.is_err());
    assert!(desk.customers(&[0xff; 1000], false).await.is_err());
    assert!(desk.customers(b"", false).await.is_err());
    let many = format!("{header}{}", "x y,,,\n".repeat(500));
    match desk.customers(many.as_bytes(), false).await {
        Err(ImportFault::Lines { shown, total }) => assert_eq!((shown.len(), total), (100, 2_000)),
        other => panic!("{other:?}"),
    }
}
