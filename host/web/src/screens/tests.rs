use rfid_service::record::{
    Alarm, AlarmId, AlarmKind, CardId, ConsentDraft, Key, Outcome, Record, Refusal, Visit, VisitId,
};
use rfid_service::service::Caller;
use rfid_service::service::bank::PASSWORD;
use rfid_service::store::{Actor, Change, Commit, Origin};

use super::trying::staffed;

#[tokio::test]
async fn each_role_comes_to_its_screen_and_nobody_without_one() {
    let hall = staffed().await;
    for path in ["/", "/desk", "/lobby", "/desk/day", "/lobby/board"] {
        let seen = hall.ask("GET", path, &[], "").await;
        assert_eq!((seen.status, &seen.headers["location"]), (303, &"/login".parse().unwrap()), "{path}");
        let part = hall.ask("GET", path, &[("hx-request", "true")], "").await;
        assert_eq!((part.status, &part.headers["hx-retarget"]), (401, &"#notice".parse().unwrap()), "{path}");
    }
    for (number, place) in [
        ("LM1", Some("/lobby")),
        ("AM1", Some("/desk")),
        ("BS1", Some("/desk")),
        ("IC1", Some("/issuing")),
        ("AU1", Some("/administration/audit")),
    ] {
        let home = hall.log_in(number).await.get("/").await;
        assert_eq!(home.headers.get("location").map(|place| place.to_str().unwrap()), place, "{number}");
    }
    // No code of a second factor is taken twice.
    hall.bank.wait(std::time::Duration::from_secs(60));
    let auditor = hall.log_in("AU1").await;
    assert_eq!(auditor.get("/desk").await.status, 403);
    assert_eq!(auditor.get("/lobby").await.status, 403);
}

#[tokio::test]
async fn nobody_is_sent_what_they_may_not_see() {
    let hall = staffed().await;
    let own = hall.arrive("6001", "张小明", "a", Some("AM1")).await;
    let other = hall.arrive("6002", "欧阳修文", "b", Some("AM2")).await;
    let (lobby, manager) = (hall.log_in("LM1").await, hall.log_in("AM1").await);
    let (lobby_b, manager_b) = (hall.log_in("LM2").await, hall.log_in("AM2").await);
    for (browser, page, seen, unseen) in [
        (&lobby, "/lobby", "张小明", "欧阳修文"),
        (&manager, "/desk", "张小明", "欧阳修文"),
        (&lobby_b, "/lobby", "欧阳修文", "张小明"),
        (&manager_b, "/desk", "欧阳修文", "张小明"),
    ] {
        let html = browser.get(page).await.html;
        assert!(html.contains(seen) && !html.contains(unseen), "{page}: {html}");
    }
    // Greeting takes neither employer nor notes nor any of the ID number; the whole record masks it.
    let at_door = lobby.get("/lobby").await.html;
    assert!(!at_door.contains("西州电力") && !at_door.contains("不喝茶") && !at_door.contains("****"));
    let whole = manager.part(&format!("/desk/current/{own}")).await.html;
    assert!(whole.contains("西州电力") && whole.contains("1****************X") && whole.contains("不喝茶"));
    assert!(!whole.contains("11010519491231002X"));
    for path in [format!("/desk/current/{other}"), format!("/photos/{other}/large")] {
        let [foreign, none] = [path.clone(), path.replace(&other, &"0".repeat(32))];
        let [foreign, none] = [manager.part(&foreign).await, manager.part(&none).await];
        assert_eq!((foreign.status, none.status, &foreign.html), (404, 404, &none.html), "{path}");
    }
    for act in ["greet", "serve", "done"] {
        assert_eq!(lobby.send(&format!("/acts/{other}/{act}"), "screen=lobby").await.status, 404, "{act}");
    }
}

#[tokio::test]
async fn a_customer_is_greeted_served_handed_over_and_seen_out() {
    let hall = staffed().await;
    let visit = hall.arrive("6001", "张小明", "a", Some("AM1")).await;
    let (lobby, manager) = (hall.log_in("LM1").await, hall.log_in("AM1").await);
    let greeted = lobby.send(&format!("/acts/{visit}/greet"), "screen=lobby").await;
    assert!(greeted.status == 200 && greeted.html.contains(&format!("here-{visit}")), "{}", greeted.html);
    // Somebody else was faster, and the screen says so.
    let late = manager.send(&format!("/acts/{visit}/greet"), "screen=desk").await;
    assert_eq!((late.status, late.html.contains("已有同事迎接")), (409, true));
    let served = manager.send(&format!("/acts/{visit}/serve"), "screen=desk").await;
    assert!(served.html.contains("data-state=\"served\""), "{}", served.html);
    let handed = manager.send(&format!("/acts/{visit}/hand-over"), "screen=desk&staff_number=LM1").await;
    assert_eq!(handed.status, 200);
    let form = "screen=desk&business=%E7%90%86%E8%B4%A2%E3%80%81%E5%A4%96%E6%B1%87";
    let done = manager.send(&format!("/acts/{visit}/done"), form).await;
    assert!(done.html.contains("理财、外汇") && done.html.contains("data-state=\"left\""), "{}", done.html);
    assert!(lobby.part("/lobby/board").await.html.contains("大堂暂无等候的客户"));
    // Twice is once.
    assert_eq!(manager.send(&format!("/acts/{visit}/done"), "screen=desk&business=").await.status, 200);
    let checked_in = manager.send("/acts/check-in", "screen=desk&customer_number=6001").await;
    assert!(checked_in.status == 200 && checked_in.html.contains("张小明"));
    let again = manager.send("/acts/check-in", "screen=desk&customer_number=6001").await;
    assert_eq!((again.status, again.html.contains("客户已在场")), (409, true));
}

#[tokio::test]
async fn whoever_was_greeted_makes_room_unless_somebody_looks_at_them() {
    let hall = staffed().await;
    let [first, second] = [("6001", "张小明"), ("6002", "欧阳修文")];
    let first = hall.arrive(first.0, first.1, "a", None).await;
    hall.bank.wait(std::time::Duration::from_secs(5));
    let second = hall.arrive(second.0, second.1, "a", None).await;
    let lobby = hall.log_in("LM1").await;
    let main = async |query: &str| {
        let html = lobby.part(&format!("/lobby/board?{query}")).await.html;
        html.split("id=\"main-").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    assert_eq!(main("").await, second);
    assert_eq!(main(&format!("keep={first}")).await, first);
    lobby.send(&format!("/acts/{first}/greet"), "screen=lobby").await;
    // A refresh that was on its way while somebody greeted brings nobody back.
    assert_eq!(main(&format!("keep={first}")).await, second);
    assert_eq!(main(&format!("main={first}")).await, first);
}

#[tokio::test]
async fn whoever_sees_out_somebody_else_s_customer_is_told_that_it_is_done() {
    let hall = staffed().await;
    let visit = hall.arrive("6001", "张小明", "a", None).await;
    let manager = hall.log_in("AM1").await;
    let served = manager.send(&format!("/acts/{visit}/serve"), "screen=desk").await;
    assert!(served.status == 200 && served.html.contains("张小明"), "{}", served.html);
    let done = manager.send(&format!("/acts/{visit}/done"), "screen=desk&business=").await;
    assert!(done.status == 200 && done.html.contains("还没有客户"), "{} {}", done.status, done.html);
}

#[tokio::test]
async fn a_card_that_may_be_a_copy_stands_on_both_screens_until_somebody_has_seen_to_it() {
    let hall = staffed().await;
    let (lobby, manager) = (hall.log_in("LM1").await, hall.log_in("AM1").await);
    let alarm = Alarm {
        id: AlarmId::from_bytes([9; 16]),
        card: CardId::from_bytes([8; 16]),
        branch: "a".into(),
        at: hall.bank.service.now(),
        kind: AlarmKind::NotAuthentic,
        acknowledged: None,
    };
    let origin = Origin { by: Actor::Host, at: hall.bank.service.now(), from: "host".to_owned() };
    let commit = Commit { origin, changes: vec![Change::new(alarm.clone())] };
    hall.bank.service.store().commit(commit).await.unwrap();
    let said = "09:00 有卡片疑似被复制";
    // An account manager is told, and a lobby manager sees to it.
    let told = manager.part("/desk/alarms").await.html;
    assert!(told.contains(said) && !told.contains("<button>"), "{told}");
    let board = lobby.part("/lobby/board").await.html;
    assert!(board.contains(said) && board.contains("<button>"), "{board}");
    let path = format!("/acts/alarm/{}", alarm.id);
    assert_eq!(manager.send(&path, "screen=desk").await.status, 403);
    assert_eq!(lobby.send(&path, "screen=lobby").await.status, 303);
    assert_eq!(lobby.send(&path, "screen=lobby").await.status, 409);
    assert!(!lobby.part("/lobby/board").await.html.contains(said));
}

#[tokio::test]
async fn whoever_does_not_want_to_be_recognised_is_found_with_a_word_and_checked_in_by_nobody() {
    let hall = staffed().await;
    let visit = hall.arrive("6001", "张小明", "a", Some("AM1")).await;
    let (lobby, manager) = (hall.log_in("LM1").await, hall.log_in("AM1").await);
    let (service, console) = (&hall.bank.service, Caller::console());
    assert!(!manager.part(&format!("/desk/current/{visit}")).await.html.contains("no-consent"));
    for (consent, said) in
        [(ConsentDraft::OptedOut, "不同意被识别"), (ConsentDraft::NotAsked, "尚未询问是否同意被识别")]
    {
        service.note_consent(&console, "6001", consent).await.unwrap();
        assert!(!lobby.part("/lobby/board").await.html.contains("张小明"));
        let found = manager.send("/desk/find", "text=6001").await.html;
        assert!(found.contains("张小明") && found.contains(said), "{found}");
        let path = found.split("hx-get=\"").nth(1).unwrap().split('"').next().unwrap();
        let current = manager.part(path).await.html;
        assert!(current.contains(said) && !current.contains("/acts/check-in"), "{current}");
        // Whether the customer stands there nobody knows.
        assert!(!current.contains("不在场"), "{current}");
        for (somebody, screen) in [(&manager, "desk"), (&lobby, "lobby")] {
            let form = format!("screen={screen}&customer_number=6001");
            let refused = somebody.send("/acts/check-in", &form).await;
            assert_eq!((refused.status, refused.html.contains("没有同意被识别")), (409, true), "{screen}");
        }
    }
    service.note_consent(&console, "6001", ConsentDraft::Given).await.unwrap();
    assert_eq!(manager.send("/acts/check-in", "screen=desk&customer_number=6001").await.status, 200);
}

#[tokio::test]
async fn whoever_is_attended_to_is_current_again_after_a_refresh() {
    let hall = staffed().await;
    let first = hall.arrive("6001", "张小明", "a", Some("AM1")).await;
    let manager = hall.log_in("AM1").await;
    manager.send(&format!("/acts/{first}/serve"), "screen=desk").await;
    hall.bank.wait(std::time::Duration::from_secs(5));
    let second = hall.arrive("6002", "欧阳修文", "a", Some("AM1")).await;
    let current = async || {
        let html = manager.get("/desk").await.html;
        html.split("data-visit=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    assert_eq!(current().await, first);
    manager.send(&format!("/acts/{first}/done"), "screen=desk&business=").await;
    assert_eq!(current().await, second);
}

#[tokio::test]
async fn a_form_without_the_proof_of_the_session_or_from_elsewhere_does_nothing() {
    let hall = staffed().await;
    let visit = hall.arrive("6001", "张小明", "a", None).await;
    let lobby = hall.log_in("LM1").await;
    let path = format!("/acts/{visit}/greet");
    let cookie = ("cookie", &*lobby.cookie);
    let form = format!("proof={}&screen=lobby", lobby.proof);
    for (headers, form, status) in [
        (vec![], &*form, 303),
        (vec![cookie], "screen=lobby", 422),
        (vec![cookie], "proof=0&screen=lobby", 403),
        (vec![cookie, ("origin", "https://elsewhere:1")], &*form, 403),
        (vec![cookie, ("origin", "null")], &*form, 403),
    ] {
        assert_eq!(hall.ask("POST", &path, &headers, form).await.status, status, "{headers:?}");
    }
    assert!(lobby.part("/lobby/board").await.html.contains(&format!("main-{visit}")));
    let seen =
        hall.ask("POST", "/login", &[("origin", "https://elsewhere:1")], "staff_number=LM1&password=x").await;
    assert_eq!(seen.status, 403);
}

#[tokio::test]
async fn what_people_are_called_is_text_on_every_screen() {
    let hall = staffed().await;
    let hostile = "<img src=x onerror=alert(1)> \"O'Neil\" & 👩‍👧 \u{202e}txt";
    let visit = hall.arrive("6001", hostile, "a", Some("AM1")).await;
    let (lobby, manager) = (hall.log_in("LM1").await, hall.log_in("AM1").await);
    let current = format!("/desk/current/{visit}");
    for seen in [lobby.get("/lobby").await, manager.get("/desk").await, manager.part(&current).await] {
        assert!(seen.status == 200 && !seen.html.contains("<img src=x"), "{}", seen.html);
        assert!(seen.html.contains("onerror=alert(1)"), "{}", seen.html);
    }
    let found = manager.send("/desk/find", "text=O%27Neil").await;
    assert!(found.status == 200 && found.html.contains("O&#39;Neil"), "{}", found.html);
}

#[tokio::test]
async fn a_search_finds_by_number_id_number_and_name_and_says_nothing_in_an_address() {
    let hall = staffed().await;
    hall.arrive("6001", "张小明", "a", Some("AM1")).await;
    let manager = hall.log_in("AM1").await;
    for text in ["6001", "11010519491231002X", "%E5%BC%A0%E5%B0%8F", "zhangxm"] {
        let found = manager.send("/desk/find", &format!("text={text}")).await;
        assert!(found.status == 200 && found.html.contains("张小明"), "{text}: {}", found.html);
        assert!(!found.html.contains("href=\"/desk/customer/6001"), "{text}");
    }
    let nobody = manager.send("/desk/find", "text=nobody").await;
    assert!(nobody.html.contains("没有找到客户"));
    // A supervisor says why.
    let supervisor = hall.log_in("BS1").await;
    assert_eq!(supervisor.send("/desk/find", "text=6001").await.status, 403);
    let found = supervisor.send("/desk/find", "text=zhangxm&reason=%E6%9D%A5%E7%94%B5").await;
    assert!(found.status == 200 && found.html.contains("6001"), "{}", found.html);
}

#[tokio::test]
async fn the_day_is_filtered_by_time_class_and_state() {
    let hall = staffed().await;
    let visit = hall.arrive("6001", "张小明", "a", Some("AM1")).await;
    let manager = hall.log_in("AM1").await;
    let row = format!("day-{visit}");
    for (query, is_there) in [
        ("", true),
        ("date=2026-11-29", true),
        ("date=2026-11-28", false),
        ("from=09:00&until=09:00", true),
        ("from=09:01", false),
        ("until=08:59", false),
        ("class=gold&state=waiting", true),
        ("class=silver", false),
        ("state=left", false),
        ("date=yesterday&from=x", true),
    ] {
        let seen = manager.part(&format!("/desk/day?{query}")).await;
        assert_eq!((seen.status, seen.html.contains(&row)), (200, is_there), "{query}");
    }
}

/// Rows of a table, by their visits.
fn rows(html: &str) -> Vec<String> {
    let rows = html.split("<tr id=\"day-").skip(1).filter_map(|rest| rest.split('"').next());
    rows.map(str::to_owned).collect()
}

/// What asks for the rows behind these.
fn behind(html: &str) -> Option<String> {
    let place = html.split("hx-get=\"/desk/day?").nth(1)?;
    Some(format!("/desk/day?{}", place.split('"').next()?.replace("&#38;", "&").replace("&amp;", "&")))
}

#[tokio::test]
async fn the_table_goes_through_the_whole_day_and_a_filter_finds_what_is_at_its_beginning() {
    let hall = staffed().await;
    let mut came = Vec::new();
    for number in 0..260 {
        let class = if number == 0 { "black" } else { "gold" };
        let who = (&*format!("6{number:03}"), "张小明", class);
        let visit = hall.arrive_as(who, "a", Some("AM1")).await;
        // Some stay: those are in both lists that the table is made of.
        if number % 7 != 0 {
            hall.bank.service.depart(&Caller::console(), visit.parse().unwrap()).await.unwrap();
        }
        came.push(visit);
        hall.bank.wait(std::time::Duration::from_secs(10));
    }
    came.reverse();
    for number in ["AM1", "BS1"] {
        let somebody = hall.log_in(number).await;
        let (mut seen, mut path) = (Vec::new(), Some("/desk/day?state=".to_owned()));
        while let Some(next) = path {
            let html = somebody.part(&next).await.html;
            assert!(rows(&html).len() <= 60);
            seen.extend(rows(&html));
            path = behind(&html);
        }
        assert_eq!(seen, came, "{number}");
        // The very first, who is still there, is found whatever came since.
        assert_eq!(rows(&somebody.part("/desk/day?class=black").await.html), came[came.len() - 1..]);
        let html = somebody.part("/desk/day?state=waiting&from=08:59&until=09:00").await.html;
        assert_eq!(rows(&html), came[came.len() - 1..], "{number}");
        let html = somebody.part("/desk/day?class=silver").await.html;
        assert_eq!((rows(&html).len(), behind(&html)), (0, None));
        // Whoever has scrolled far keeps the rows when something changes.
        assert_eq!(rows(&somebody.part("/desk/day?rows=200").await.html), came[..200]);
        assert_eq!(rows(&somebody.part("/desk/day?rows=9999999").await.html), came);
        // Classes that can be asked for are those of the bank, and not of what happens to be shown.
        assert!(somebody.get("/desk").await.html.contains("value=\"black\""));
    }
    let manager = hall.log_in("AM1").await;
    // Without script a link goes on, and what is no place is the beginning.
    let page = manager.get("/desk").await.html;
    let more = page.split("href=\"/desk?behind=").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(rows(&manager.get(&format!("/desk?behind={more}")).await.html), came[60..120]);
    for place in ["x", "1.", ".", "9.zz", "-1.0", "99999999999999999999.0"] {
        assert_eq!(
            rows(&manager.part(&format!("/desk/day?behind={place}")).await.html),
            came[..60],
            "{place}"
        );
    }
    // A filter that finds few in a long day looks through all of it, in steps if need be.
    let html = manager.part("/desk/day?state=waiting&rows=600").await.html;
    assert_eq!(rows(&html).len(), came.len().div_ceil(7));
    let hostile = manager.part("/desk/day?class=%22%3E%3Cb%3E%26x%3D1&behind=x").await.html;
    assert!(!hostile.contains("<b>"), "{hostile}");
}

#[tokio::test]
async fn a_lobby_manager_finds_who_is_here_by_pinyin_and_who_has_left_only_shortened() {
    let hall = staffed().await;
    let here = hall.arrive("6001", "张小明", "a", Some("AM1")).await;
    let gone = hall.arrive("6002", "欧阳修文", "a", Some("AM1")).await;
    hall.arrive("6003", "张大山", "b", Some("AM2")).await;
    hall.bank.service.depart(&Caller::console(), gone.parse().unwrap()).await.unwrap();
    let lobby = hall.log_in("LM1").await;
    for text in ["zhangxm", "zxm", "%E5%BC%A0", "6001"] {
        let found = lobby.send("/lobby/find", &format!("text={text}")).await.html;
        assert!(
            found.contains(&here) && found.contains("张小明") && !found.contains("大山"),
            "{text}: {found}"
        );
    }
    for text in ["6002", "%E6%AC%A7"] {
        let found = lobby.send("/lobby/find", &format!("text={text}")).await.html;
        assert!(
            found.contains("已离开") && found.contains("6002") && !found.contains("修文"),
            "{text}: {found}"
        );
        assert!(!found.contains(&gone), "{text}: {found}");
    }
    // What is not shown is not found out by asking.
    for text in ["ouyangxw", "%E4%BF%AE%E6%96%87", "%20"] {
        let found = lobby.send("/lobby/find", &format!("text={text}")).await.html;
        assert!(!found.contains("6002"), "{text}: {found}");
    }
    // Another branch, and who was never here: checked in by the number alone.
    let found = lobby.send("/lobby/find", "text=6003").await.html;
    assert!(!found.contains("大山") && found.contains("登记到访"), "{found}");
}

#[tokio::test]
async fn the_manifest_installs_with_icons_that_are_what_they_say() {
    let hall = staffed().await;
    let seen = hall.ask("GET", "/manifest.webmanifest", &[], "").await;
    assert_eq!(seen.headers["content-type"], "application/manifest+json");
    let manifest: serde_json::Value = serde_json::from_str(&seen.html).unwrap();
    assert_eq!((&manifest["start_url"], &manifest["display"]), (&"/".into(), &"standalone".into()));
    let mut kinds = Vec::new();
    for icon in manifest["icons"].as_array().unwrap() {
        let (source, sizes) = (icon["src"].as_str().unwrap(), icon["sizes"].as_str().unwrap());
        let file = hall.bytes(source).await;
        kinds.push(format!("{} {sizes}", icon["purpose"].as_str().unwrap()));
        if icon["type"] == "image/png" {
            // The head of a PNG says how large it is.
            let side = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().unwrap());
            assert_eq!(&file[..8], b"\x89PNG\r\n\x1a\n", "{source}");
            assert_eq!(format!("{}x{}", side(16), side(20)), sizes, "{source}");
        } else {
            assert!(file.starts_with(b"<svg"), "{source}");
        }
    }
    // What browsers ask for: https://www.w3.org/TR/appmanifest/#icons-member names the purposes.
    assert_eq!(kinds, ["any any", "any 192x192", "any 512x512", "maskable 512x512"]);
}

#[tokio::test]
async fn of_a_refused_card_nobody_learns_whose_it_is_not_even_by_filters() {
    let hall = staffed().await;
    let seen = hall.arrive("6001", "张小明", "a", None).await;
    let (service, now) = (&hall.bank.service, hall.bank.service.now());
    let id = Key::Visit(seen.parse().unwrap());
    let Some(Record::Visit(recognised)) =
        service.store().get(&[id]).await.unwrap().pop().flatten().map(|stored| stored.record)
    else {
        panic!("no visit")
    };
    let refused = Visit {
        id: VisitId::from_bytes([7; 16]),
        vip_class: "diamond".into(),
        outcome: Outcome::Refused(Refusal::Lost),
        ..recognised
    };
    let origin = Origin { by: Actor::Host, at: now, from: "host".to_owned() };
    service.store().commit(Commit { origin, changes: vec![Change::new(refused.clone())] }).await.unwrap();
    let (manager, lobby) = (hall.log_in("BS1").await, hall.log_in("LM1").await);
    let row = format!("day-{}", refused.id);
    let day = manager.part("/desk/day").await.html;
    assert!(day.contains(&row) && day.contains("卡片已挂失") && !day.contains("diamond"), "{day}");
    assert!(manager.part("/desk/day?state=refused").await.html.contains(&row));
    assert!(!manager.part("/desk/day?class=diamond").await.html.contains(&row));
    let current = manager.part(&format!("/desk/current/{}", refused.id)).await.html;
    assert!(
        !current.contains("张小明") && !current.contains("6001") && !current.contains("/acts/"),
        "{current}"
    );
    let board = lobby.part("/lobby/board").await.html;
    assert!(board.contains("卡片已挂失") && !board.contains(&format!("/photos/{}", refused.id)), "{board}");
    assert_eq!(lobby.part(&format!("/photos/{}/large", refused.id)).await.status, 404);
}

#[tokio::test]
async fn a_language_is_chosen_once_and_leads_to_no_other_host() {
    let hall = staffed().await;
    assert!(hall.ask("GET", "/login", &[], "").await.html.contains("lang=\"zh-CN\""));
    let chosen = hall.ask("POST", "/language", &[], "language=en&back=/lobby").await;
    assert_eq!((chosen.status, &chosen.headers["location"]), (303, &"/lobby".parse().unwrap()));
    let cookie = chosen.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let english = hall.ask("GET", "/login", &[("cookie", &cookie)], "").await.html;
    assert!(english.contains("lang=\"en\"") && english.contains("Staff number"));
    for back in ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"] {
        let seen = hall.ask("POST", "/language", &[], &format!("language=en&back={back}")).await;
        assert_eq!(&seen.headers["location"], "/", "{back}");
    }
}

#[tokio::test]
async fn a_page_is_light_and_everything_on_it_is_ours() {
    let hall = staffed().await;
    for number in 0..6 {
        hall.arrive(&format!("600{number}"), "张小明", "a", Some("AM1")).await;
    }
    let (lobby, manager) = (hall.log_in("LM1").await, hall.log_in("AM1").await);
    let style = hall.ask("GET", "/assets/screens.css", &[], "").await.html;
    for html in [
        lobby.get("/lobby").await.html,
        manager.get("/desk").await.html,
        hall.ask("GET", "/login", &[], "").await.html,
    ] {
        // What a first paint waits for; scripts come behind it.
        assert!(html.len() + style.len() < 50_000, "{}", html.len() + style.len());
        assert!(!html.contains("style=") && !html.contains("<script>") && !html.contains("onclick"));
        assert!(!html.contains("http://") && !html.contains("https://"));
    }
    for name in ["screens.css", "screens.js", "htmx.js", "icon.svg", "icon-192.png", "display.css"] {
        let file = hall.ask("GET", &format!("/assets/{name}"), &[], "").await;
        let tag = file.headers["etag"].to_str().unwrap().to_owned();
        assert_eq!(file.status, 200, "{name}");
        let again = hall.ask("GET", &format!("/assets/{name}"), &[("if-none-match", &tag)], "").await;
        assert_eq!((again.status, again.html.len()), (304, 0), "{name}");
    }
    assert_eq!(hall.ask("GET", "/assets/..%2Fmod.rs", &[], "").await.status, 404);
}

#[tokio::test]
async fn whoever_logs_out_is_out_and_the_trail_knows_who_looked() {
    let hall = staffed().await;
    let visit = hall.arrive("6001", "张小明", "a", Some("AM1")).await;
    let manager = hall.log_in("AM1").await;
    assert_eq!(manager.part(&format!("/desk/current/{visit}")).await.status, 200);
    let out = manager.send("/logout", "").await;
    assert_eq!(&out.headers["location"], "/login");
    assert_eq!(&manager.get("/desk").await.headers["location"], "/login");
    let told = hall.bank.told().await;
    let actions: Vec<&str> = told.iter().map(|recorded| &*recorded.entry.action).collect();
    assert!(actions.contains(&"customer.see") && actions.contains(&"session.end"), "{actions:?}");
}

#[tokio::test]
async fn somebody_begins_and_ends_duty_and_twice_is_once() {
    let hall = staffed().await;
    let lobby = hall.log_in("LM1").await;
    for (on, is_on) in [("true", true), ("true", true), ("false", false), ("false", false)] {
        assert_eq!(lobby.send("/acts/duty", &format!("screen=lobby&on={on}")).await.status, 303);
        let pressed = format!("aria-pressed=\"{is_on}\"");
        assert!(lobby.get("/lobby").await.html.contains(&format!("class=\"duty\" {pressed}")), "{on}");
    }
}

#[tokio::test]
async fn whoever_has_to_prove_who_they_are_does_it_where_they_are() {
    let hall = staffed().await;
    let manager = hall.log_in("AM1").await;
    let wrong = manager.send("/prove", "password=something+else").await;
    assert_eq!((wrong.status, &wrong.headers["hx-retarget"]), (403, &"#notice".parse().unwrap()));
    // What was not right is asked for again.
    assert!(wrong.html.contains("action=\"/prove\"") && !wrong.html.contains("something"), "{}", wrong.html);
    let right = manager.send("/prove", &format!("password={}", PASSWORD.replace(' ', "+"))).await;
    assert_eq!(right.status, 200);
    assert!(!right.html.contains("action=\"/prove\""), "{}", right.html);
}
