//! The issuing desk asked as a browser asks; who sees what in `tests/sight.rs`, its cards on the desk in `tests/desk.rs`.

mod desk;
mod sight;

use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use image::{ImageFormat, Rgb, RgbImage};
use rfid_service::record::{Card, Key, Proposal, Record, RequestId};
use rfid_service::rights::Role;
use rfid_service::service::bank::{Bank, PASSWORD};
use rfid_service::service::{Caller, IssuingSettings};

use super::super::trying::{Browser, Hall, Seen};
use crate::clients::Clients;

/// A bank in whose branch a asking and approving come from one address, as all browsers here do.
async fn desk() -> Hall {
    let settings = IssuingSettings {
        one_desk: ["a".into(), "b".into()].into(),
        bank_name: "西州银行".to_owned(),
        ..IssuingSettings::default()
    };
    let bank = Bank::new().await.changed(|service| service.with_issuing(settings));
    tokio::spawn(Arc::clone(&bank.service).keep_desks());
    let hall = Hall::over(bank, Clients::default(), None);
    for (number, branch, roles) in [
        ("IC1", "a", &[Role::IssuingClerk][..]),
        ("IC9", "a", &[Role::IssuingClerk]),
        ("AR1", "a", &[Role::ApprovingReviewer]),
        ("AR9", "a", &[Role::ApprovingReviewer]),
        ("AM1", "a", &[Role::AccountManager]),
        ("BS1", "a", &[Role::BranchSupervisor]),
        ("CS1", "a", &[Role::CentreSupervisor]),
        ("LM1", "a", &[Role::LobbyManager]),
        ("MB1", "a", &[Role::AccountManager, Role::BranchSupervisor]),
        ("IC2", "b", &[Role::IssuingClerk]),
        ("AR2", "b", &[Role::ApprovingReviewer]),
    ] {
        hall.bank.employ(number, branch, roles).await;
    }
    hall
}

/// Text as a form sends it.
fn sent(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}

fn customer(number: &str, name: &str) -> String {
    format!(
        "customer_number={number}&name={}&id_number=11010519491231002X&employer={}&vip_class=gold\
         &usual_business={}&account_manager=AM1&notes={}&consent=given",
        sent(name),
        sent("西州电力"),
        sent("理财"),
        sent("不喝茶"),
    )
}

/// Where an answer leads.
#[track_caller]
fn place(seen: &Seen) -> String {
    let place = seen.headers.get("hx-redirect").or_else(|| seen.headers.get("location"));
    let Some(place) = place else { panic!("{}: {}", seen.status, seen.html) };
    place.to_str().unwrap().to_owned()
}

/// What stands in a hidden field.
fn hidden(html: &str, name: &str) -> String {
    let after = html.split(&format!("name=\"{name}\" value=\"")).nth(1);
    after.unwrap_or_else(|| panic!("no {name}: {html}")).split('"').next().unwrap().to_owned()
}

/// The path of the request that a place is about.
fn request_at(place: &str) -> String {
    place.trim_end_matches("/photo").to_owned()
}

async fn submitted(clerk: &Browser<'_>, path: &str) -> Seen {
    let page = clerk.get(path).await.html;
    clerk.send(&format!("{path}/submit"), &format!("seen={}", hidden(&page, "seen"))).await
}

async fn decided(reviewer: &Browser<'_>, path: &str, act: &str, note: &str) -> Seen {
    let page = reviewer.get(path).await.html;
    let form = format!("seen={}&hash={}&note={}", hidden(&page, "seen"), hidden(&page, "hash"), sent(note));
    reviewer.send(&format!("{path}/{act}"), &form).await
}

/// A customer whom the clerk opened and the reviewer approved. Returns the path of the request.
async fn opened(clerk: &Browser<'_>, reviewer: &Browser<'_>, number: &str, name: &str) -> String {
    let path = request_at(&place(&clerk.send("/issuing/customer/new", &customer(number, name)).await));
    assert_eq!(submitted(clerk, &path).await.status, 200);
    let approved = decided(reviewer, &path, "approve", "").await;
    assert!(approved.status == 200 && approved.html.contains("已同意"), "{}", approved.html);
    path
}

/// The path of a customer's page.
async fn page_of(hall: &Hall, number: &str) -> String {
    let found = hall.bank.service.customer_of_number(&Caller::console(), number).await.unwrap();
    format!("/issuing/customer/{}", found.record.id)
}

/// The card of a customer who has one.
async fn card_of(hall: &Hall, number: &str) -> Card {
    let (service, console) = (&hall.bank.service, Caller::console());
    let customer = service.customer_of_number(&console, number).await.unwrap().record.id;
    service.cards_of(&console, customer).await.unwrap().remove(0).record
}

/// A card that was asked for and approved. Returns the path of the request.
async fn approved_card(clerk: &Browser<'_>, reviewer: &Browser<'_>, page: &str) -> String {
    let form = "valid_from=2026-01-01&valid_until=2028-12-31&submit=on";
    let path = place(&clerk.send(&format!("{page}/card"), form).await);
    assert_eq!(decided(reviewer, &path, "approve", "").await.status, 200);
    path
}

fn png(side: u32, shade: u8) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let picture = RgbImage::from_fn(side, side, |x, _| Rgb([shade, x as u8, 90]));
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// A form with a picture, as a browser sends it.
async fn send_photo(browser: &Browser<'_>, path: &str, proof: &str, seen: &str, picture: &[u8]) -> Seen {
    let mut body = Vec::new();
    for (name, value) in [("proof", proof), ("seen", seen)] {
        body.extend(
            format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes(),
        );
    }
    body.extend(
        b"--x\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\n\r\n".iter().copied(),
    );
    body.extend_from_slice(picture);
    body.extend(b"\r\n--x--\r\n".iter().copied());
    let headers = [
        ("cookie", &*browser.cookie),
        ("origin", "http://bank:1"),
        ("hx-request", "true"),
        ("content-type", "multipart/form-data; boundary=x"),
    ];
    browser.hall.ask_with("POST", path, &headers, body).await
}

#[tokio::test]
async fn a_form_that_is_wrong_says_so_at_its_fields_and_keeps_what_was_typed() {
    let hall = desk().await;
    let clerk = hall.log_in("IC1").await;
    let form = customer("60 01", "").replace("002X", "0021").replace("AM1", "nobody");
    for html in [
        clerk.send("/issuing/customer/new", &form).await.html,
        // Without script the whole page comes back.
        hall.ask(
            "POST",
            "/issuing/customer/new",
            &[("cookie", &clerk.cookie), ("origin", "http://bank:1")],
            &format!("proof={}&{form}", clerk.proof),
        )
        .await
        .html,
    ] {
        for said in ["客户号须为", "请填写姓名", "校验位不符", "没有这个工号", "有 4 处"]
        {
            assert!(html.contains(said), "{said}: {html}");
        }
        for typed in ["60 01", "110105194912310021", "西州电力", "理财", "不喝茶", "nobody"] {
            assert!(html.contains(typed), "{typed}: {html}");
        }
    }
    for (number, said) in [
        ("110105194912310021", "校验位不符"),
        ("1101051949123100", "18 位"),
        ("110105194913310021", "出生日期"),
        ("11010519491231002X", "校验位正确"),
        ("1101051949123100XX", "17 位数字"),
    ] {
        let checked = clerk.send("/issuing/check/id-number", &format!("id_number={number}")).await;
        assert!(checked.status == 200 && checked.html.contains(said), "{number}: {}", checked.html);
    }
    assert!(clerk.get("/issuing").await.html.contains("没有草稿"));
}

#[tokio::test]
async fn a_request_waits_is_reviewed_with_what_it_changes_and_is_done() {
    let hall = desk().await;
    let (clerk, reviewer) = (hall.log_in("IC1").await, hall.log_in("AR1").await);
    opened(&clerk, &reviewer, "6001", "张小明").await;
    let page = page_of(&hall, "6001").await;
    // A clerk sees a record shortened, writes what is new, and what was left empty stays.
    let form = clerk.get(&format!("{page}/change")).await.html;
    assert!(
        form.contains("placeholder=\"张**\"") && !form.contains("张小明") && !form.contains("西州电力"),
        "{form}"
    );
    let change = format!(
        "seen={}&customer_number=6001&name=&id_number=&employer={}&vip_class=platinum&usual_business=\
         &account_manager=AM1&notes=&clear_notes=on&consent=given",
        hidden(&form, "seen"),
        sent("东湖机械")
    );
    let path = request_at(&place(&clerk.send(&format!("{page}/change"), &change).await));
    assert_eq!(submitted(&clerk, &path).await.status, 200);
    let work = reviewer.get("/issuing").await.html;
    assert!(
        work.contains("data-heap=\"submitted\"") && work.contains("张**") && !work.contains("张小明"),
        "{work}"
    );
    let seen = reviewer.get(&path).await.html;
    let changes = seen.split("id=\"changes-title\"").nth(1).unwrap().split("</section>").next().unwrap();
    for said in ["西州电力", "东湖机械", "金卡", "白金", "不喝茶", "（空）"] {
        assert!(changes.contains(said), "{said}: {changes}");
    }
    for same in ["姓名", "理财", "证件号码"] {
        assert!(!changes.contains(same), "{same} does not change: {changes}");
    }
    // Refusing takes a reason, and whoever asked reads it.
    assert_eq!(decided(&reviewer, &path, "refuse", " ").await.status, 422);
    let refused = decided(&reviewer, &path, "refuse", "单位证明没有附上").await;
    assert!(refused.status == 200 && refused.html.contains("已退回"), "{}", refused.html);
    let work = clerk.part("/issuing/work").await.html;
    let heap = work.split("id=\"heap-refused\"").nth(1).unwrap();
    assert!(heap.contains("单位证明没有附上"), "{work}");
    let unchanged = hall.bank.service.customer_of_number(&Caller::console(), "6001").await.unwrap();
    assert_eq!(unchanged.record.employer.reveal(), "西州电力");
}

#[tokio::test]
async fn a_draft_is_written_anew_submitted_and_given_up() {
    let hall = desk().await;
    let clerk = hall.log_in("IC1").await;
    let path = request_at(&place(&clerk.send("/issuing/customer/new", &customer("6001", "张小明")).await));
    let form = clerk.get(&format!("{path}/edit")).await.html;
    // Everything that was written, but the ID number, which never leaves the host whole.
    assert!(form.contains("value=\"张小明\"") && form.contains("1****************X"), "{form}");
    assert!(!form.contains("11010519491231002X"));
    let edited = customer("6001", "张晓明").replace("id_number=11010519491231002X", "id_number=");
    let edited = format!("seen={}&{edited}", hidden(&form, "seen"));
    assert_eq!(place(&clerk.send(&format!("{path}/edit"), &edited).await), path);
    let id: RequestId = path.rsplit('/').next().unwrap().parse().unwrap();
    let stored = hall.bank.service.store().get(&[Key::Request(id)]).await.unwrap().pop().flatten().unwrap();
    let Record::Request(request) = stored.record else { panic!() };
    let Proposal::OpenCustomer { draft, .. } = request.proposal else { panic!() };
    assert_eq!(
        (draft.name.reveal().as_str(), draft.id_number.unwrap().reveal().as_str()),
        ("张晓明", "11010519491231002X")
    );
    // A form that was open meanwhile is refused.
    let late = clerk.send(&format!("{path}/edit"), &edited).await;
    assert_eq!(late.status, 409, "{}", late.html);
    assert!(clerk.part("/issuing/work").await.html.contains("heap-draft"));
    assert_eq!(submitted(&clerk, &path).await.status, 200);
    // A second click finds that it was done.
    let again = clerk.send(&format!("{path}/submit"), "seen=2").await;
    assert!(again.status == 409 && again.html.contains("已经走到别的步骤"), "{}", again.html);
    let given_up = clerk.send(&format!("{path}/cancel"), &format!("note={}", sent("客户改天再来"))).await;
    assert!(
        given_up.status == 200
            && given_up.html.contains("申请已撤销")
            && given_up.html.contains("客户改天再来")
    );
}

#[tokio::test]
async fn nobody_approves_their_own_and_the_screen_says_why() {
    let hall = desk().await;
    let both = hall.log_in("MB1").await;
    let own = customer("6001", "张小明").replace("AM1", "MB1");
    let path = request_at(&place(&both.send("/issuing/customer/new", &own).await));
    assert_eq!(submitted(&both, &path).await.status, 200);
    let page = both.get(&path).await.html;
    assert!(page.contains("不能自己复核") && !page.contains("/approve\""), "{page}");
    // Whoever sends it all the same is refused, with the right hash, too.
    let reviewer = hall.log_in("AR1").await;
    let hash = hidden(&reviewer.get(&path).await.html, "hash");
    for act in ["approve", "refuse"] {
        let refused = both.send(&format!("{path}/{act}"), &format!("seen=2&hash={hash}&note=x")).await;
        assert!(refused.status == 409 && refused.html.contains("不能自己复核"), "{act}: {}", refused.html);
    }
    // A clerk's role approves nothing, nor encodes what is not approved.
    let clerk = hall.log_in("IC1").await;
    assert!(!clerk.get(&path).await.html.contains("/approve\""));
    assert_eq!(clerk.send(&format!("{path}/approve"), &format!("hash={hash}")).await.status, 403);
    assert_eq!(decided(&reviewer, &path, "approve", "").await.status, 200);
}

#[tokio::test]
async fn of_two_reviewers_one_wins_and_the_other_is_told() {
    let hall = desk().await;
    let clerk = hall.log_in("IC1").await;
    let (one, other) = (hall.log_in("AR1").await, hall.log_in("AR9").await);
    let path = request_at(&place(&clerk.send("/issuing/customer/new", &customer("6001", "张小明")).await));
    submitted(&clerk, &path).await;
    let (first, second) = (one.get(&path).await.html, other.get(&path).await.html);
    let form = |html: &str| format!("seen={}&hash={}", hidden(html, "seen"), hidden(html, "hash"));
    let approve = format!("{path}/approve");
    let (first, second) = (form(&first), form(&second));
    let (one_said, other_said) = tokio::join!(one.send(&approve, &first), other.send(&approve, &second));
    let mut statuses = [one_said.status, other_said.status];
    statuses.sort();
    assert_eq!(statuses, [200, 409]);
    let late = if one_said.status == 409 { one_said } else { other_said };
    assert!(late.html.contains("已经走到别的步骤") || late.html.contains("内容已被修改"), "{}", late.html);
    assert!(late.html.contains("data-state=\"done\""), "{}", late.html);
}

#[tokio::test]
async fn an_approval_of_what_was_changed_meanwhile_says_what_changed() {
    let hall = desk().await;
    let (clerk, reviewer) = (hall.log_in("IC1").await, hall.log_in("AR1").await);
    let path = request_at(&place(&clerk.send("/issuing/customer/new", &customer("6001", "张小明")).await));
    submitted(&clerk, &path).await;
    let open = reviewer.get(&path).await.html;
    let form = clerk.get(&format!("{path}/edit")).await.html;
    let edited = customer("6001", "张小明")
        .replace("gold", "diamond")
        .replace("id_number=11010519491231002X", "id_number=");
    clerk.send(&format!("{path}/edit"), &format!("seen={}&{edited}", hidden(&form, "seen"))).await;
    submitted(&clerk, &path).await;
    let approve = format!("seen={}&hash={}", hidden(&open, "seen"), hidden(&open, "hash"));
    let refused = reviewer.send(&format!("{path}/approve"), &approve).await;
    let said = refused.html.split("class=\"said\"").nth(1).unwrap().split("</div>").next().unwrap();
    assert_eq!(refused.status, 409);
    for word in ["内容已被修改", "等级", "金卡", "钻石"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(!said.contains("张小明"), "what is the same is not told: {said}");
    assert!(hall.bank.service.customer_of_number(&Caller::console(), "6001").await.is_err());
    // As it is now it may be approved.
    assert_eq!(decided(&reviewer, &path, "approve", "").await.status, 200);
}

#[tokio::test]
async fn an_approval_asks_in_place_who_it_is_after_a_while() {
    let hall = desk().await;
    let (clerk, reviewer) = (hall.log_in("IC1").await, hall.log_in("AR1").await);
    let path = request_at(&place(&clerk.send("/issuing/customer/new", &customer("6001", "张小明")).await));
    submitted(&clerk, &path).await;
    hall.bank.wait(Duration::from_secs(360));
    let asked = decided(&reviewer, &path, "approve", "").await;
    assert_eq!((asked.status, &asked.headers["hx-retarget"]), (403, &"#notice".parse().unwrap()));
    assert!(asked.html.contains("hx-post=\"/prove\""), "{}", asked.html);
    let proved = reviewer.send("/prove", &format!("password={}", PASSWORD.replace(' ', "+"))).await;
    assert!(proved.status == 200 && proved.html.contains("请再操作一次"), "{}", proved.html);
    assert_eq!(decided(&reviewer, &path, "approve", "").await.status, 200);
}

#[tokio::test]
async fn a_photo_goes_with_the_customer_and_is_seen_before_and_after() {
    let hall = desk().await;
    let (clerk, reviewer) = (hall.log_in("IC1").await, hall.log_in("AR1").await);
    let drafted = place(&clerk.send("/issuing/customer/new", &customer("6001", "张小明")).await);
    let page = clerk.get(&drafted).await;
    let camera = page.headers["permissions-policy"].to_str().unwrap();
    assert!(drafted.ends_with("/photo") && camera.starts_with("camera=(self)"), "{camera}");
    assert!(
        !clerk.get("/issuing").await.headers.contains_key("permissions-policy"),
        "elsewhere the door says no"
    );
    let seen = hidden(&page.html, "seen");
    let bomb = {
        // 65,500 pixels a side in a few bytes: refused before there is room made for it.
        let mut bytes = png(32, 1);
        bytes[16..24].copy_from_slice(&[0, 0, 0xFF, 0xDC, 0, 0, 0xFF, 0xDC]);
        bytes
    };
    for (picture, status) in
        [(&b"GIF89a"[..], 422), (&png(8, 1), 422), (&bomb, 422), (&[][..], 422), (&png(64, 1), 200)]
    {
        let taken = send_photo(&clerk, &drafted, &clerk.proof, &seen, picture).await;
        assert_eq!(taken.status, status, "{}", taken.html);
        assert!(status == 200 || taken.html.contains("这张照片不能使用"), "{}", taken.html);
    }
    assert_eq!(send_photo(&clerk, &drafted, "0", &seen, &png(64, 1)).await.status, 403);
    let late = send_photo(&clerk, &drafted, &clerk.proof, &seen, &png(64, 2)).await;
    assert_eq!(late.status, 409, "{}", late.html);
    let huge = send_photo(&clerk, &drafted, &clerk.proof, &seen, &vec![0; 6 * 1024 * 1024]).await;
    assert!(huge.status == 413 && huge.html.contains("不能超过 5 MB"), "{}", huge.html);
    let path = request_at(&drafted);
    submitted(&clerk, &path).await;
    let proposed = reviewer.get(&format!("{path}/photo/proposed/large")).await;
    assert_eq!((proposed.status, &proposed.headers["content-type"]), (200, &"image/jpeg".parse().unwrap()));
    assert_eq!(reviewer.get(&format!("{path}/photo/present/large")).await.status, 404);
    decided(&reviewer, &path, "approve", "").await;
    let opened = hall.bank.service.customer_of_number(&Caller::console(), "6001").await.unwrap();
    assert!(opened.record.photo.is_some());
    // Another one: both stand beside each other.
    let page = page_of(&hall, "6001").await;
    let form = clerk.get(&format!("{page}/change")).await.html;
    let change = format!(
        "seen={}&customer_number=6001&vip_class=gold&account_manager=AM1&consent=given",
        hidden(&form, "seen")
    );
    let drafted = place(&clerk.send(&format!("{page}/change"), &change).await);
    let seen = hidden(&clerk.get(&drafted).await.html, "seen");
    assert_eq!(send_photo(&clerk, &drafted, &clerk.proof, &seen, &png(80, 200)).await.status, 200);
    let path = request_at(&drafted);
    submitted(&clerk, &path).await;
    let seen = reviewer.get(&path).await.html;
    for which in ["present", "proposed"] {
        assert!(seen.contains(&format!("{path}/photo/{which}/large")), "{seen}");
        assert_eq!(reviewer.get(&format!("{path}/photo/{which}/large")).await.status, 200);
    }
    // Nothing else of the record changes by it.
    decided(&reviewer, &path, "approve", "").await;
    let changed = hall.bank.service.customer_of_number(&Caller::console(), "6001").await.unwrap();
    assert!(changed.record.photo != opened.record.photo && changed.record.employer.reveal() == "西州电力");
}

#[tokio::test]
async fn whoever_stands_in_is_told_and_only_where_no_reviewer_is_on_duty() {
    let hall = desk().await;
    let clerk = hall.log_in("IC1").await;
    let (supervisor, reviewer) = (hall.log_in("BS1").await, hall.log_in("AR1").await);
    opened(&clerk, &reviewer, "6001", "张小明").await;
    let page = page_of(&hall, "6001").await;
    let form = "valid_from=2026-01-01&valid_until=2028-12-31&submit=on";
    let path = place(&clerk.send(&format!("{page}/card"), form).await);
    let seen = supervisor.get(&path).await.html;
    assert!(seen.contains("您将代为复核"), "{seen}");
    reviewer.send("/acts/duty", "screen=issuing&on=true").await;
    let seen = supervisor.get(&path).await.html;
    assert!(seen.contains("请由复核员复核") && !seen.contains("/approve\""), "{seen}");
    reviewer.send("/acts/duty", "screen=issuing&on=false").await;
    let done = decided(&supervisor, &path, "approve", "").await;
    assert!(done.status == 200 && done.html.contains("代为复核"), "{}", done.html);
    // The centre sees it as well, wherever it is.
    let centre = hall.log_in("CS1").await;
    assert!(centre.get("/issuing").await.html.contains(path.rsplit('/').next().unwrap()));
}

#[tokio::test]
async fn whoever_looks_at_the_desk_is_told_that_there_is_news_and_not_what() {
    use http_body_util::BodyExt as _;
    let hall = desk().await;
    let (clerk, reviewer) = (hall.log_in("IC1").await, hall.log_in("AR1").await);
    let answer = hall.answer("GET", "/issuing/news", &[("cookie", &reviewer.cookie)], Vec::new()).await;
    assert_eq!(answer.status(), 200);
    let mut news = answer.into_body();
    clerk.send("/issuing/customer/new", &customer("6001", "张小明")).await;
    let frame = news.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(std::str::from_utf8(&frame).unwrap(), "event: news\ndata: -\n\n");
    let lobby = hall.log_in("LM1").await;
    assert_eq!(lobby.get("/issuing/news").await.status, 403);
}

#[tokio::test]
async fn without_script_whoever_proves_who_they_are_comes_back_to_where_they_were() {
    let hall = desk().await;
    let clerk = hall.log_in("IC1").await;
    let path = request_at(&place(&clerk.send("/issuing/customer/new", &customer("6001", "张小明")).await));
    submitted(&clerk, &path).await;
    let reviewer = hall.log_in("AR1").await;
    let open = reviewer.get(&path).await.html;
    // The proof of logging in has become old.
    hall.bank.wait(Duration::from_secs(6 * 60));
    let send = async |place: &str, from: &str, form: &str| {
        let from = format!("http://bank:1{from}");
        let headers = [("cookie", &*reviewer.cookie), ("origin", "http://bank:1"), ("referer", &*from)];
        hall.ask("POST", place, &headers, &format!("proof={}&{form}", reviewer.proof)).await
    };
    let approve = format!("{path}/approve");
    let form = format!("seen={}&hash={}", hidden(&open, "seen"), hidden(&open, "hash"));
    let asked = send(&approve, &path, &form).await;
    assert_eq!((asked.status, hidden(&asked.html, "back")), (403, path.clone()), "{}", asked.html);
    // A slip changes nothing of it, though it is sent from the page that the refusal was.
    let wrong = send("/prove", &approve, &format!("back={}&password=x", sent(&path))).await;
    assert_eq!((wrong.status, hidden(&wrong.html, "back")), (403, path.clone()), "{}", wrong.html);
    let password = sent(PASSWORD);
    let proved = send("/prove", &approve, &format!("back={}&password={password}", sent(&path))).await;
    assert_eq!((proved.status, place(&proved)), (303, path.clone()));
    assert_eq!(place(&send(&approve, &path, &form).await), path);
    assert!(reviewer.get(&path).await.html.contains("data-state=\"done\""));
    // To no page of anybody else.
    for elsewhere in ["//evil.example", "https://evil.example", "/\\evil.example", ""] {
        let form = format!("back={}&password={password}", sent(elsewhere));
        assert_eq!(place(&send("/prove", &approve, &form).await), "/", "{elsewhere}");
    }
    let headers =
        [("cookie", &*reviewer.cookie), ("origin", "http://bank:1"), ("referer", "http://evil.example/x")];
    hall.bank.wait(Duration::from_secs(6 * 60));
    let form = format!("proof={}&{form}", reviewer.proof);
    let asked = hall.ask("POST", &approve, &headers, &form).await;
    assert_eq!(hidden(&asked.html, "back"), "/", "{} {}", asked.status, asked.html);
}
