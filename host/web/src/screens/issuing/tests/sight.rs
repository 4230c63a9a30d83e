//! Who sees what of the desk, and what comes from elsewhere.

use super::*;

#[tokio::test]
async fn the_desk_is_whose_work_it_is_and_shows_each_no_more_than_they_may_see() {
    let hall = desk().await;
    let (clerk, reviewer) = (hall.log_in("IC1").await, hall.log_in("AR1").await);
    opened(&clerk, &reviewer, "6001", "张小明").await;
    let page = page_of(&hall, "6001").await;
    for number in ["IC1", "AR1", "AM1", "BS1", "CS1"] {
        hall.bank.wait(Duration::from_secs(60));
        let browser = hall.log_in(number).await;
        let home = browser.get("/issuing").await;
        assert_eq!(home.status, 200, "{number}");
        assert!(!home.html.contains("张小明") && !home.html.contains("11010519491231002X"), "{number}");
        let seen = browser.get(&page).await;
        // An account manager's own customer, in full but for the ID number.
        let is_whole = number == "AM1";
        assert_eq!(seen.status, 200, "{number}: {}", seen.html);
        assert_eq!(seen.html.contains("张小明"), is_whole, "{number}: {}", seen.html);
        assert_eq!(seen.html.contains("西州电力"), is_whole, "{number}");
        assert!(!seen.html.contains("11010519491231002X") && !seen.html.contains("style="), "{number}");
        let may_open = browser.get("/issuing/customer/new").await.status;
        assert_eq!(may_open == 200, ["IC1", "AM1"].contains(&number), "{number}: {may_open}");
    }
    let lobby = hall.log_in("LM1").await;
    assert_eq!(lobby.get("/issuing").await.status, 403);
    assert!(!lobby.get("/lobby").await.html.contains("href=\"/issuing\""));
    assert_eq!(hall.ask("GET", "/issuing", &[], "").await.status, 303);
    // A supervisor who looks for somebody says why.
    let supervisor = hall.log_in("BS1").await;
    assert_eq!(supervisor.send("/issuing/find", "text=6001").await.status, 403);
    let found = supervisor.send("/issuing/find", "text=6001&reason=x").await;
    assert!(
        found.status == 200 && found.html.contains("张**") && !found.html.contains("张小明"),
        "{}",
        found.html
    );
}

#[tokio::test]
async fn what_is_of_another_branch_is_not_there_in_the_same_words() {
    let hall = desk().await;
    let (clerk, reviewer) = (hall.log_in("IC1").await, hall.log_in("AR1").await);
    opened(&clerk, &reviewer, "6001", "张小明").await;
    let page = page_of(&hall, "6001").await;
    let card = approved_card(&clerk, &reviewer, &page).await;
    let (foreign, judge) = (hall.log_in("IC2").await, hall.log_in("AR2").await);
    let nothing = |path: &str| {
        let id = path.split('/').find(|part| part.len() == 32).unwrap();
        path.replace(id, &"0".repeat(32))
    };
    for path in [
        page.clone(),
        format!("{page}/change"),
        format!("{page}/card"),
        card.clone(),
        format!("{card}/photo"),
        format!("{card}/photo/proposed/large"),
        format!("{card}/edit"),
        format!("{card}/bench"),
        format!("{card}/receipt"),
    ] {
        let [seen, none] = [foreign.part(&path).await, foreign.part(&nothing(&path)).await];
        assert_eq!((seen.status, none.status, &seen.html), (404, 404, &none.html), "{path}");
    }
    for act in ["submit", "cancel", "encode", "verify", "stop", "spoil"] {
        let path = format!("{card}/{act}");
        let form = "seen=3&desk=desk";
        let [seen, none] = [foreign.send(&path, form).await, foreign.send(&nothing(&path), form).await];
        assert_eq!((seen.status, none.status, &seen.html), (404, 404, &none.html), "{path}");
    }
    for act in ["approve", "refuse"] {
        assert_eq!(judge.send(&format!("{card}/{act}"), "hash=0&note=x").await.status, 404, "{act}");
    }
    let id = card_of(&hall, "6001").await.id;
    for act in ["lost", "suspend", "revoke", "destroyed", "reenable"] {
        assert_eq!(foreign.send(&format!("/issuing/card/{id}/{act}"), "seen=1").await.status, 404, "{act}");
    }
    let work = foreign.get("/issuing").await.html;
    assert!(!work.contains("6001") && !work.contains(card.rsplit('/').next().unwrap()));
}

#[tokio::test]
async fn a_form_without_the_proof_of_the_session_or_from_elsewhere_does_nothing() {
    let hall = desk().await;
    let clerk = hall.log_in("IC1").await;
    let path = request_at(&place(&clerk.send("/issuing/customer/new", &customer("6001", "张小明")).await));
    let cookie = ("cookie", &*clerk.cookie);
    let good = format!("proof={}&seen=1", clerk.proof);
    let card = format!("/issuing/card/{}/lost", "1".repeat(32));
    for path in [
        "/issuing/find",
        "/issuing/check/id-number",
        "/issuing/customer/new",
        &format!("{path}/edit"),
        &format!("{path}/submit"),
        &format!("{path}/cancel"),
        &format!("{path}/photo/remove"),
        &card,
    ] {
        for (headers, form, status) in [
            (vec![], &*good, 303),
            (vec![cookie], "seen=1", 422),
            (vec![cookie], "proof=0&text=x&seen=1", 403),
            (vec![cookie, ("origin", "https://elsewhere:1")], &*good, 403),
            (vec![cookie, ("origin", "null")], &*good, 403),
        ] {
            let seen = hall.ask("POST", path, &headers, form).await;
            assert_eq!(seen.status, status, "{path} {headers:?}: {}", seen.html);
        }
    }
    assert!(clerk.get(&path).await.html.contains("data-state=\"draft\""));
}

#[tokio::test]
async fn when_the_session_is_over_the_page_says_so_and_stays() {
    let hall = desk().await;
    let clerk = hall.log_in("IC1").await;
    hall.bank.wait(Duration::from_secs(16 * 60));
    let refused = clerk.send("/issuing/customer/new", &customer("6001", "张小明")).await;
    assert_eq!((refused.status, &refused.headers["hx-retarget"]), (401, &"#notice".parse().unwrap()));
    assert!(refused.html.contains("您填写的内容仍在画面上"), "{}", refused.html);
}

#[tokio::test]
async fn what_people_are_called_is_text_on_every_page_of_the_desk() {
    let hall = desk().await;
    let (clerk, reviewer) = (hall.log_in("IC1").await, hall.log_in("AR1").await);
    let long = "<img src=x onerror=alert(1)>\"'&👩‍👧\u{202e}".to_owned() + &"长".repeat(150);
    let form =
        customer("6001", &long).replace(&sent("不喝茶"), &sent("</textarea><script>alert(2)</script>"));
    let path = request_at(&place(&clerk.send("/issuing/customer/new", &form).await));
    submitted(&clerk, &path).await;
    let manager = hall.log_in("AM1").await;
    let mut pages = vec![
        clerk.get(&path).await,
        clerk.get(&format!("{path}/edit")).await,
        clerk.get(&format!("{path}/photo")).await,
        clerk.get("/issuing").await,
        reviewer.get(&path).await,
    ];
    let refused = reviewer.get(&path).await.html;
    let refuse = format!("seen=2&hash={}&note={}", hidden(&refused, "hash"), sent("<b>no</b>"));
    pages.push(reviewer.send(&format!("{path}/refuse"), &refuse).await);
    pages.push(clerk.get("/issuing").await);
    let wrong = form.replace("customer_number=6001", "customer_number=%22%3E%3Cscript%3E");
    pages.push(clerk.send("/issuing/customer/new", &wrong).await);
    pages.push(manager.get("/issuing").await);
    for seen in &pages {
        for markup in ["<img src=x", "<script>alert", "</textarea><script", "<b>no", "\"><script"] {
            assert!(!seen.html.contains(markup), "{markup}: {}", seen.html);
        }
    }
    assert!(
        pages[0].html.contains("&#60;img src=x") || pages[0].html.contains("&lt;img src=x"),
        "{}",
        pages[0].html
    );
}

#[tokio::test]
async fn pages_have_nothing_within_them_that_a_browser_would_run() {
    let hall = desk().await;
    let (clerk, reviewer) = (hall.log_in("IC1").await, hall.log_in("AR1").await);
    let path = opened(&clerk, &reviewer, "6001", "张小明").await;
    let page = page_of(&hall, "6001").await;
    for path in ["/issuing".to_owned(), path, page.clone(), format!("{page}/change"), format!("{page}/card")]
    {
        let html = clerk.get(&path).await.html;
        assert!(html.contains("class=\"help\" href=\"/help/issuing\""), "{path}");
        assert!(
            !html.contains("style=") && !html.contains("<script>") && !html.contains("onclick"),
            "{path}"
        );
        assert!(!html.contains("http://") && !html.contains("https://"), "{path}");
    }
    for name in ["issuing.css", "issuing.js"] {
        assert_eq!(hall.ask("GET", &format!("/assets/{name}"), &[], "").await.status, 200);
    }
}

/// What the trail says of who saw an ID number in full: about what, and why.
async fn unmaskings(hall: &Hall) -> Vec<(String, Option<String>)> {
    let told = hall.bank.told().await;
    let unmasked = told.into_iter().map(|recorded| recorded.entry);
    let unmasked = unmasked.filter(|entry| entry.action == "customer.unmask");
    unmasked.map(|entry| (entry.object.unwrap_or_default(), entry.reason)).collect()
}

#[tokio::test]
async fn an_id_number_that_changes_is_compared_in_full_by_whoever_may_with_a_reason_and_a_proof() {
    let (old, new) = ("11010519491231002X", "11010519491231109X");
    let hall = desk().await;
    let (clerk, reviewer) = (hall.log_in("IC1").await, hall.log_in("AR1").await);
    opened(&clerk, &reviewer, "6001", "张小明").await;
    let page = page_of(&hall, "6001").await;
    let form = clerk.get(&format!("{page}/change")).await.html;
    let change = format!(
        "seen={}&customer_number=6001&name=&id_number={new}&employer=&vip_class=gold&usual_business=\
         &account_manager=AM1&notes=&consent=given",
        hidden(&form, "seen")
    );
    let path = request_at(&place(&clerk.send(&format!("{page}/change"), &change).await));
    let unmask = format!("{path}/unmask");
    // Not before it waits for somebody to decide.
    assert!(!clerk.get(&path).await.html.contains("/unmask\""));
    assert_eq!(reviewer.send(&unmask, "note=x").await.status, 404);
    assert_eq!(submitted(&clerk, &path).await.status, 200);
    // Both look the same, masked; and that is all that a clerk sees.
    let masked = reviewer.get(&path).await.html;
    assert!(masked.matches("1****************X").count() >= 2, "{masked}");
    assert!(masked.contains("/unmask\"") && !masked.contains(old) && !masked.contains(new), "{masked}");
    assert!(!clerk.get(&path).await.html.contains("/unmask\""));
    assert_eq!(clerk.send(&unmask, "note=x").await.status, 403);
    assert_eq!(hall.log_in("AR2").await.send(&unmask, "note=x").await.status, 404);
    // A reason, and a proof of a moment ago.
    assert_eq!(reviewer.send(&unmask, "note=+").await.status, 403);
    hall.bank.wait(Duration::from_secs(6 * 60));
    let why = format!("note={}", sent("与新证件核对"));
    let asked = reviewer.send(&unmask, &why).await;
    assert!(asked.status == 403 && asked.html.contains("action=\"/prove\""), "{}", asked.html);
    assert_eq!(unmaskings(&hall).await, []);
    reviewer.send("/prove", &format!("password={}", sent(PASSWORD))).await;
    let seen = reviewer.send(&unmask, &why).await;
    assert_eq!(seen.status, 200, "{}", seen.html);
    for (place, number) in [("before full", old), ("after full", new)] {
        let cell = format!("<td class=\"{place}\" data-masked=\"1****************X\">{number}</td>");
        assert!(seen.html.contains(&cell), "{place}: {}", seen.html);
    }
    let id = page.rsplit('/').next().unwrap();
    assert_eq!(unmaskings(&hall).await, [(format!("customer {id}"), Some("与新证件核对".to_owned()))]);
    // The page keeps nothing of it, and nobody else learns more by it.
    assert!(!reviewer.get(&path).await.html.contains(new));
    // Once it is decided there is nothing more to compare.
    assert_eq!(decided(&reviewer, &path, "approve", "").await.status, 200);
    assert!(!reviewer.get(&path).await.html.contains("/unmask\""));
    assert_eq!(reviewer.send(&unmask, &why).await.status, 404);
}

#[tokio::test]
async fn the_id_number_of_somebody_who_is_opened_is_compared_in_full_too_and_no_other_field_asks_for_it() {
    let hall = desk().await;
    let (clerk, reviewer) = (hall.log_in("IC1").await, hall.log_in("AR1").await);
    let path = request_at(&place(&clerk.send("/issuing/customer/new", &customer("6001", "张小明")).await));
    submitted(&clerk, &path).await;
    let seen = reviewer.send(&format!("{path}/unmask"), "note=x").await;
    assert!(seen.status == 200 && seen.html.contains(">11010519491231002X</td>"), "{}", seen.html);
    assert_eq!(decided(&reviewer, &path, "approve", "").await.status, 200);
    let page = page_of(&hall, "6001").await;
    let id = page.rsplit('/').next().unwrap();
    assert_eq!(unmaskings(&hall).await, [(format!("customer {id}"), Some("x".to_owned()))]);
    let form = clerk.get(&format!("{page}/change")).await.html;
    let change = format!(
        "seen={}&customer_number=6001&name=&id_number=&employer={}&vip_class=gold&usual_business=\
         &account_manager=AM1&notes=&consent=given",
        hidden(&form, "seen"),
        sent("东湖机械")
    );
    let path = request_at(&place(&clerk.send(&format!("{page}/change"), &change).await));
    submitted(&clerk, &path).await;
    assert!(!reviewer.get(&path).await.html.contains("/unmask\""));
    assert_eq!(reviewer.send(&format!("{path}/unmask"), "note=x").await.status, 404);
}
