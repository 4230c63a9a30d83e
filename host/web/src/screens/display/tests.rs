use std::time::Duration;

use rfid_service::rights::Role;
use rfid_service::service::Caller;
use rfid_service::service::bank::PASSWORD;

use super::super::trying::{Hall, Seen, staffed};

/// A bank with a display in each branch.
async fn with_displays() -> Hall {
    let hall = staffed().await;
    for (number, branch) in [("D1", "a"), ("D2", "b")] {
        hall.bank.employ(number, branch, &[Role::Display]).await;
    }
    hall
}

/// The cookie of a display's session.
async fn session(hall: &Hall, number: &str) -> String {
    format!("__Host-rfid-session={}", *hall.bank.session(number, "unknown").await.token)
}

async fn key(hall: &Hall, number: &str) -> String {
    let console = Caller::console();
    let staff = hall.bank.service.staff_of_number(&console, number).await.unwrap().record.id;
    format!("__Host-rfid-display={staff}.{PASSWORD}")
}

async fn get(hall: &Hall, path: &str, cookie: &str) -> Seen {
    hall.ask("GET", path, &[("cookie", cookie)], "").await
}

#[tokio::test]
async fn a_display_shows_who_came_shortened_and_nothing_else_of_them() {
    let hall = with_displays().await;
    let visit = hall.arrive("6001", "欧阳修文", "a", Some("AM1")).await;
    hall.arrive("6002", "张小明", "b", Some("AM2")).await;
    let cookie = session(&hall, "D1").await;
    let page = get(&hall, "/display", &cookie).await;
    assert_eq!(page.status, 200, "{}", page.html);
    let part = hall.ask("GET", "/display/board", &[("cookie", &cookie), ("hx-request", "true")], "").await;
    for html in [&page.html, &part.html] {
        assert!(html.contains("金卡") && html.contains("人工登记") && html.contains(&visit), "{html}");
        for unseen in
            ["欧阳修文", "修文", "6001", "理财", "西州电力", "不喝茶", "110105", "小明", "/photos/", "<form"]
        {
            assert!(!html.contains(unseen), "{unseen}: {html}");
        }
        assert!(html.contains("欧***"), "{html}");
    }
    // Whoever is gone, or came two minutes ago, is not sent any more.
    hall.bank.wait(Duration::from_secs(119));
    assert!(get(&hall, "/display/board", &cookie).await.html.contains(&visit));
    hall.bank.wait(Duration::from_secs(1));
    assert!(!get(&hall, "/display/board", &cookie).await.html.contains(&visit));
    let second = hall.arrive("6003", "李四", "a", None).await;
    assert!(get(&hall, "/display/board", &cookie).await.html.contains(&second));
    hall.bank.service.depart(&Caller::console(), second.parse().unwrap()).await.unwrap();
    assert!(!get(&hall, "/display/board", &cookie).await.html.contains(&second));
    for number in 0..6 {
        hall.arrive(&format!("70{number}"), "张三", "a", None).await;
    }
    let many = get(&hall, "/display/board", &cookie).await.html;
    assert_eq!(many.matches("<li ").count(), 4, "{many}");
    assert!(many.contains("另有 2 位"), "{many}");
}

#[tokio::test]
async fn a_display_reaches_no_other_screen_and_no_photo_and_does_nothing() {
    let hall = with_displays().await;
    let visit = hall.arrive("6001", "欧阳修文", "a", Some("AM1")).await;
    let cookie = session(&hall, "D1").await;
    let home = get(&hall, "/", &cookie).await;
    assert_eq!(&home.headers["location"], "/display");
    let current = format!("/desk/current/{visit}");
    for path in ["/desk", "/lobby", "/lobby/board", "/desk/day", "/desk/recent", "/desk/alarms", &current] {
        let seen = get(&hall, path, &cookie).await;
        assert!(seen.status == 403 && !seen.html.contains("欧"), "{path}: {} {}", seen.status, seen.html);
    }
    for path in [format!("/photos/{visit}/large"), format!("/photos/{visit}/small")] {
        assert_eq!(get(&hall, &path, &cookie).await.status, 404, "{path}");
    }
    let page = hall.bank.service.identify(cookie.split('=').nth(1).unwrap(), "unknown").await.unwrap();
    for act in ["greet", "serve", "done", "hand-over"] {
        let headers = [("cookie", &*cookie), ("hx-request", "true"), ("origin", "http://bank:1")];
        let form = format!("proof={}&screen=lobby", page.proof);
        let seen = hall.ask("POST", &format!("/acts/{visit}/{act}"), &headers, &form).await;
        assert_eq!(seen.status, 403, "{act}");
    }
    // People have screens of their own.
    for number in ["LM1", "AM1", "BS1"] {
        let person = hall.log_in(number).await;
        assert_eq!(person.get("/display").await.status, 403, "{number}");
        assert_eq!(person.part("/display/board").await.status, 403, "{number}");
    }
}

#[tokio::test]
async fn a_display_lets_itself_in_by_its_key_for_a_day_at_a_time() {
    let hall = with_displays().await;
    let none = get(&hall, "/display", "a=b").await;
    assert_eq!((none.status, &none.headers["location"]), (303, &"/display/pair".parse().unwrap()));
    let key = key(&hall, "D1").await;
    for _ in 0..3 {
        let begun = get(&hall, "/display", &key).await;
        assert_eq!((begun.status, &begun.headers["location"]), (303, &"/display".parse().unwrap()));
        let cookie = begun.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let both = format!("{cookie}; {key}");
        hall.bank.wait(Duration::from_secs(24 * 3600 - 1));
        assert_eq!(get(&hall, "/display", &both).await.status, 200);
        hall.bank.wait(Duration::from_secs(1));
        assert_eq!(get(&hall, "/display", &both).await.status, 303);
        let part = hall.ask("GET", "/display/board", &[("cookie", &both), ("hx-request", "true")], "").await;
        assert_eq!(part.status, 401);
    }
    hall.bank.service.disable_account(&Caller::console(), "D1").await.unwrap();
    let refused = get(&hall, "/display", &key).await;
    assert_eq!(&refused.headers["location"], "/display/pair");
}

#[tokio::test]
async fn a_code_that_is_wrong_or_typed_elsewhere_sets_up_no_display() {
    let hall = with_displays().await;
    let page = hall.ask("GET", "/display/pair", &[], "").await;
    assert!(page.status == 200 && page.html.contains("name=\"code\""), "{}", page.html);
    for (origin, form, status) in [
        ("http://bank:1", "number=D1&code=WRONG", 401),
        ("http://bank:1", "number=LM1&code=WRONG", 401),
        ("http://bank:1", "number=D1", 422),
        ("https://elsewhere:1", "number=D1&code=WRONG", 403),
    ] {
        let seen = hall.ask("POST", "/display/pair", &[("origin", origin)], form).await;
        assert_eq!((seen.status, seen.headers.get("set-cookie")), (status, None), "{form}");
        assert!(!seen.html.contains("WRONG"), "{form}");
    }
    // Strangers try so often and no more.
    let mut last = 0;
    for _ in 0..40 {
        let form = "number=D1&code=WRONG";
        last = hall.ask("POST", "/display/pair", &[("origin", "http://bank:1")], form).await.status;
    }
    assert_eq!(last, 429);
}
