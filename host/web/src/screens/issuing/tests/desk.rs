//! Cards on the desk: encoded with guidance, verified, handed over; what goes wrong, and cards that end.

use super::*;

/// Waits until the bench of a request says something.
async fn until_says(browser: &Browser<'_>, path: &str, word: &str) -> String {
    let mut html = String::new();
    for _ in 0..500 {
        html = browser.part(&format!("{path}/bench")).await.html;
        if html.contains(word) {
            return html;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{word} did not come: {html}");
}

#[tokio::test]
async fn a_card_is_encoded_step_by_step_read_back_handed_over_and_printed() {
    let hall = desk().await;
    let (clerk, reviewer) = (hall.log_in("IC1").await, hall.log_in("AR1").await);
    opened(&clerk, &reviewer, "6001", "张小明").await;
    let path = approved_card(&clerk, &reviewer, &page_of(&hall, "6001").await).await;
    let work = clerk.get("/issuing").await.html;
    assert!(work.contains("剩余 3 天") || work.contains("剩余 72 小时"), "{work}");
    // Nothing lies there: it waits, and says what to do.
    let begun = clerk.send(&format!("{path}/encode"), "desk=desk").await;
    assert!(begun.status == 200 && begun.html.contains("id=\"bench\""), "{}", begun.html);
    until_says(&clerk, &path, "请把卡平放在读卡板上，不要移动").await;
    // Clicked twice it is begun once, and whoever comes to the page later finds it.
    assert_eq!(clerk.send(&format!("{path}/encode"), "desk=desk").await.status, 200);
    assert!(clerk.get(&path).await.html.contains("hx-trigger=\"every 700ms\""));
    hall.bank.desk.lay(1);
    let done = until_says(&clerk, &path, "已写好并读回核对无误").await;
    assert!(done.contains("data-state=\"encoded\"") && done.contains(&format!("{path}/verify")), "{done}");
    // Another card is not handed over.
    let right = hall.bank.desk.lies.lock().unwrap().clone();
    hall.bank.desk.lay(2);
    clerk.send(&format!("{path}/verify"), "desk=desk").await;
    until_says(&clerk, &path, "台上不是这份申请的卡").await;
    *hall.bank.desk.lies.lock().unwrap() = right;
    clerk.send(&format!("{path}/verify"), "desk=desk").await;
    let done = until_says(&clerk, &path, "验卡无误").await;
    assert!(done.contains("/receipt"), "{done}");
    let receipt = clerk.get(&format!("{path}/receipt")).await.html;
    let epc = card_of(&hall, "6001").await.epc.unwrap();
    let number = rfid_core::epc::Epc::decode(epc.bytes()).unwrap().parts().concat();
    let epc = epc.hex();
    let ends = format!("<dd>{}</dd>", &number[number.len() - 4..]);
    for said in ["西州银行", "张**", "6001", ends.as_str(), "2026年11月29日", "李静", "复核", "客户签名"]
    {
        assert!(receipt.contains(said), "{said}: {receipt}");
    }
    assert!(!receipt.contains("张小明") && !receipt.contains(&epc), "{receipt}");
    // Both see it among what was done today.
    assert!(reviewer.get("/issuing").await.html.contains(&format!("{path}/receipt")));
}

#[tokio::test]
async fn a_card_that_is_torn_away_is_laid_on_again_and_it_goes_on() {
    let hall = desk().await;
    let (clerk, reviewer) = (hall.log_in("IC1").await, hall.log_in("AR1").await);
    opened(&clerk, &reviewer, "6001", "张小明").await;
    let path = approved_card(&clerk, &reviewer, &page_of(&hall, "6001").await).await;
    // It was torn away, and there is nothing on the desk until it is laid on again.
    hall.bank.desk.lay(1);
    *hall.bank.desk.tears.lock().unwrap() = true;
    clerk.send(&format!("{path}/encode"), "desk=desk").await;
    let done = until_says(&clerk, &path, "已写好并读回核对无误").await;
    assert!(done.contains("data-state=\"encoded\""), "{done}");
    let tries = hall.bank.told().await;
    let torn =
        tries.iter().filter(|told| told.entry.action == "card.encode" && told.entry.rule.is_some()).count();
    assert_eq!(torn, 1, "the first try is in the trail, as one that failed");
}

#[tokio::test]
async fn a_card_that_is_bound_already_is_named_and_stopping_stops() {
    let hall = desk().await;
    let (clerk, reviewer) = (hall.log_in("IC1").await, hall.log_in("AR1").await);
    for number in ["6001", "6002"] {
        opened(&clerk, &reviewer, number, "张小明").await;
    }
    let first = approved_card(&clerk, &reviewer, &page_of(&hall, "6001").await).await;
    let second = approved_card(&clerk, &reviewer, &page_of(&hall, "6002").await).await;
    hall.bank.desk.lay(1);
    clerk.send(&format!("{first}/encode"), "desk=desk").await;
    until_says(&clerk, &first, "已写好").await;
    clerk.send(&format!("{second}/encode"), "desk=desk").await;
    let said = until_says(&clerk, &second, "台上的卡已经登记过").await;
    assert!(said.contains(&format!("{second}/encode")), "it can be begun again: {said}");
    *hall.bank.desk.lies.lock().unwrap() = None;
    clerk.send(&format!("{second}/encode"), "desk=desk").await;
    until_says(&clerk, &second, "请把卡平放在读卡板上，不要移动").await;
    // One desk, one card.
    let other = hall.log_in("IC9").await;
    let busy = other.send(&format!("{first}/verify"), "desk=desk").await;
    assert!(busy.status == 409 && busy.html.contains("正在使用"), "{}", busy.html);
    assert_eq!(other.send(&format!("{first}/verify"), "desk=elsewhere").await.status, 404);
    clerk.send(&format!("{second}/stop"), "").await;
    until_says(&clerk, &second, "已停止").await;
    // A reviewer encodes nothing.
    assert_eq!(reviewer.send(&format!("{second}/encode"), "desk=desk").await.status, 403);
}

#[tokio::test]
async fn a_spoilt_card_is_confirmed_destroyed_by_a_second_person() {
    let hall = desk().await;
    let (clerk, reviewer) = (hall.log_in("IC1").await, hall.log_in("AR1").await);
    opened(&clerk, &reviewer, "6001", "张小明").await;
    let path = approved_card(&clerk, &reviewer, &page_of(&hall, "6001").await).await;
    let none = clerk.send(&format!("{path}/spoil"), "").await;
    assert!(none.status == 409 && none.html.contains("还没有上过写卡台"), "{}", none.html);
    hall.bank.desk.lay(1);
    clerk.send(&format!("{path}/encode"), "desk=desk").await;
    until_says(&clerk, &path, "已写好").await;
    let given_up = clerk.send(&format!("{path}/spoil"), "").await;
    assert!(
        given_up.html.contains("这张卡已作废") && given_up.html.contains("data-state=\"approved\""),
        "{}",
        given_up.html
    );
    let of_spoilt = |html: String| html.split("id=\"heap-spoilt\"").nth(1).unwrap().to_owned();
    let mine = of_spoilt(clerk.get("/issuing").await.html);
    assert!(mine.contains("您经手过这张卡") && !mine.contains("/destroyed\""), "{mine}");
    let theirs = of_spoilt(reviewer.get("/issuing").await.html);
    let confirm = theirs.split("action=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let seen = format!("seen={}", hidden(&theirs, "seen"));
    let refused = clerk.send(&confirm, &seen).await;
    assert!(refused.status == 409 && refused.html.contains("另一位同事"), "{}", refused.html);
    assert_eq!(place(&reviewer.send(&confirm, &seen).await), "/issuing");
    assert!(of_spoilt(reviewer.get("/issuing").await.html).contains("没有等待销毁的废卡"));
}

#[tokio::test]
async fn a_lost_card_is_blocked_at_once_replaced_or_made_usable_again_by_a_second_person() {
    let hall = desk().await;
    let (clerk, reviewer) = (hall.log_in("IC1").await, hall.log_in("AR1").await);
    opened(&clerk, &reviewer, "6001", "张小明").await;
    let page = page_of(&hall, "6001").await;
    let path = approved_card(&clerk, &reviewer, &page).await;
    hall.bank.desk.lay(1);
    for act in ["encode", "verify"] {
        clerk.send(&format!("{path}/{act}"), "desk=desk").await;
        until_says(&clerk, &path, if act == "encode" { "已写好" } else { "验卡无误" }).await;
    }
    // A second card comes only in the place of the first; both are on the page then, in either order.
    let card = card_of(&hall, "6001").await.id;
    let form = "valid_from=2026-01-01&valid_until=2028-12-31&submit=on";
    let second = place(&clerk.send(&format!("{page}/card"), form).await);
    let refused = decided(&reviewer, &second, "approve", "").await;
    assert!(refused.status == 409 && refused.html.contains("客户已有可用的卡片"), "{}", refused.html);
    let html = clerk.get(&page).await.html;
    let version = |html: &str| {
        let row = html.split(&format!("id=\"card-{card}\"")).nth(1).unwrap();
        hidden(row, "seen")
    };
    let lost = clerk.send(&format!("/issuing/card/{card}/lost"), &format!("seen={}", version(&html))).await;
    assert_eq!(place(&lost), page);
    let twice = clerk.send(&format!("/issuing/card/{card}/lost"), &format!("seen={}", version(&html))).await;
    assert_eq!(twice.status, 409, "{}", twice.html);
    let html = clerk.get(&page).await.html;
    assert!(html.contains("data-card=\"lost\"") && html.contains("/reenable"), "{html}");
    let again =
        clerk.send(&format!("/issuing/card/{card}/reenable"), &format!("seen={}", version(&html))).await;
    let request = place(&again);
    assert_eq!(clerk.send(&format!("{request}/approve"), "hash=0").await.status, 403);
    assert_eq!(decided(&reviewer, &request, "approve", "").await.status, 200);
    assert!(clerk.get(&page).await.html.contains("data-card=\"active\""));
    // The new one names the old one.
    let asked = format!("{form}&replaces={card}");
    let third = place(&clerk.send(&format!("{page}/card"), &asked).await);
    assert_eq!(decided(&reviewer, &third, "approve", "").await.status, 200);
    let wrong = format!("{form}&replaces={}", "0".repeat(32));
    let wrong = clerk.send(&format!("{page}/card"), &wrong).await;
    assert!(wrong.status == 422 && wrong.html.contains("客户没有这张卡"), "{}", wrong.html);
    let late = "valid_from=2026-01-01&valid_until=2025-12-31&submit=on";
    let late = clerk.send(&format!("{page}/card"), late).await;
    assert!(late.status == 422 && late.html.contains("有效期须在启用日期之后"), "{}", late.html);
}
