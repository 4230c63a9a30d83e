//! Accounts: asked for, approved, confirmed, locked and reset.

use super::*;

#[tokio::test]
async fn security_resets_at_once_with_half_of_the_code_and_a_supervisor_has_the_other() {
    let (hall, _) = administered().await;
    let (security, supervisor) = (hall.log_in("SE1").await, hall.log_in("BS1").await);
    let lobby = hall.log_in("LM1").await;
    let reset = "/administration/people/LM1/reset-now";
    // Whoever asks for it only, is not offered it, and does not do it.
    assert!(!supervisor.get("/administration/people/LM1").await.html.contains("/reset-now"));
    assert_eq!(supervisor.send(reset, "").await.status, 403);
    assert!(!security.get("/administration/people/SE1").await.html.contains("/reset-now"));
    assert_eq!(security.send("/administration/people/SE1/reset-now", "").await.status, 409);
    assert!(security.get("/administration/people/LM1").await.html.contains("/reset-now"));
    hall.bank.wait(std::time::Duration::from_secs(400));
    let asked = security.send(reset, "").await;
    assert!(asked.status == 403 && asked.html.contains("action=\"/prove\""), "{}", asked.html);
    security.send("/prove", &format!("password={}", PASSWORD.replace(' ', "+"))).await;
    let done = security.send(reset, "").await;
    assert!(done.status == 200 && done.html.contains("已重置"), "{}", done.html);
    // At once: the session is over.
    assert_eq!(lobby.get("/lobby").await.status, 303);
    let half = |seen: &Seen| {
        let half = seen.html.split("id=\"code-half\">").nth(1).unwrap().split('<').next().unwrap();
        half.replace(' ', "")
    };
    let waits = supervisor.get("/administration/people").await.html;
    let id = waits.split("id=\"request-").nth(1).unwrap().split('"').next().unwrap();
    let code = format!("/administration/people/requests/{id}/code");
    assert!(waits.contains(&code) && waits.contains("LM1"), "{waits}");
    assert!(!security.get("/administration/people").await.html.contains(&code));
    assert_eq!(security.send(&code, "hash=&note=").await.status, 404);
    let fetched = supervisor.send(&code, "hash=&note=").await;
    assert_eq!(fetched.status, 200, "{}", fetched.html);
    let whole = format!("{}{}", half(&fetched), half(&done));
    let (service, password) = (&hall.bank.service, "ombre walnut trellis");
    service.accept_invitation("10.0.0.7", "LM1", &whole, password.into(), None).await.unwrap();
    service.log_in("10.0.0.7", "LM1", password.into(), None).await.unwrap();
}

#[tokio::test]
async fn security_asks_the_centre_approves_and_the_person_sets_a_password_with_both_halves() {
    let (hall, _) = administered().await;
    let security = hall.log_in("SE1").await;
    let open = "staff_number=LM9&name=%3Cb%3E%E5%88%98%E9%9D%99&branch=a&role_lobby_manager=on";
    let asked = security.send("/administration/people", open).await;
    assert!(asked.status == 200 && asked.html.contains("等待他人审批"), "{}", asked.html);
    // Twice is once, and a name is text.
    assert_eq!(security.send("/administration/people", open).await.status, 409);
    assert!(asked.html.contains("&#60;b&#62;刘静") && !asked.html.contains("<b>刘静"), "{}", asked.html);
    for (form, said) in [
        ("staff_number=LM8&name=x&branch=a", "至少选择一个岗位"),
        ("staff_number=LM8&name=x&branch=a&role_auditor=on&role_lobby_manager=on", "不能由一人兼任"),
        ("staff_number=LM8&name=x&branch=z&role_lobby_manager=on", "填写有误"),
    ] {
        let seen = security.send("/administration/people", form).await;
        assert!(seen.status == 422 && seen.html.contains(said), "{}", seen.html);
    }
    let id = asked.html.split("id=\"request-").nth(1).unwrap().split('"').next().unwrap().to_owned();
    // Nobody approves what they asked for: it is not offered, and not done.
    assert!(!asked.html.contains(&format!("/requests/{id}/approve")));
    let centre = hall.log_in("CS1").await;
    let page = centre.get("/administration/people").await.html;
    let part = page.split(&format!("/requests/{id}/approve")).nth(2).unwrap();
    let hash = part.split("name=\"hash\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let form = format!("hash={hash}");
    let act = |act: &str| format!("/administration/people/requests/{id}/{act}");
    let refused = security.send(&act("approve"), &form).await;
    assert!(refused.status == 409 || refused.status == 403, "{}", refused.html);
    let other = centre.send(&act("approve"), "hash=0").await;
    assert_eq!(other.status, 409, "it says something else by now");
    // Later than a while ago a password is asked for, where they are.
    hall.bank.wait(std::time::Duration::from_secs(400));
    let proof = centre.send(&act("approve"), &form).await;
    assert!(proof.status == 403 && proof.html.contains("action=\"/prove\""), "{}", proof.html);
    centre.send("/prove", &format!("password={}", PASSWORD.replace(' ', "+"))).await;
    let approved = centre.send(&act("approve"), &form).await;
    assert_eq!(approved.status, 200, "{}", approved.html);
    let half = |seen: &Seen| {
        let half = seen.html.split("id=\"code-half\">").nth(1).unwrap().split('<').next().unwrap();
        half.replace(' ', "")
    };
    let second = half(&approved);
    assert_eq!(centre.send(&act("approve"), &form).await.status, 409, "a double click");
    let waiting = security.get("/administration/people").await.html;
    assert!(waiting.contains(&act("code")), "{waiting}");
    let first = half(&security.send(&act("code"), "").await);
    assert_eq!(security.send(&act("code"), "").await.status, 404, "it is told once");
    let code = format!("{first}+{second}");
    let begun = hall.ask("POST", "/invitation/begin", &[], &format!("staff_number=LM9&code={code}")).await;
    assert!(
        begun.status == 200 && !begun.html.contains("otpauth"),
        "a lobby manager needs none: {}",
        begun.html
    );
    let weighed = async |password: &str| {
        let form = format!("staff_number=LM9&code={code}&password={password}");
        hall.ask("POST", "/invitation/password", &[("hx-request", "true")], &form).await.html
    };
    assert!(weighed("short").await.contains("至少要 15 个字符"));
    assert!(weighed("aaaaaaaaaaaaaaaaaaaa").await.contains("太容易猜到"));
    assert!(weighed("trellis+ombre+fjord+walnut").await.contains("data-good=\"true\""));
    let form = |again: &str| {
        format!("staff_number=LM9&code={code}&password=trellis+ombre+fjord+walnut&again={again}")
    };
    assert_eq!(hall.ask("POST", "/invitation", &[], &form("other")).await.status, 422);
    let done = hall.ask("POST", "/invitation", &[], &form("trellis+ombre+fjord+walnut")).await;
    assert!(done.status == 200 && done.html.contains("账户已启用"), "{}", done.html);
    let again = hall.ask("POST", "/invitation", &[], &form("trellis+ombre+fjord+walnut")).await;
    assert_eq!(again.status, 401, "an invitation is used once");
    let lobby = hall.log_in("LM9").await;
    assert_eq!(lobby.get("/lobby").await.status, 200);
}

#[tokio::test]
async fn an_account_is_confirmed_locked_and_its_roles_changed_and_a_page_that_is_behind_says_so() {
    let (hall, _) = administered().await;
    let supervisor = hall.log_in("BS1").await;
    let lobby = hall.log_in("LM1").await;
    let page = supervisor.get("/administration/people/LM1").await.html;
    let version = page.split("name=\"version\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let confirm = format!("version={version}");
    let path = "/administration/people/LM1/confirm";
    let confirmed = supervisor.send(path, &confirm).await;
    assert!(confirmed.status == 200 && confirmed.html.contains("已确认"), "{}", confirmed.html);
    assert_eq!(supervisor.send(path, &confirm).await.status, 409, "it changed while the form was open");
    assert_eq!(supervisor.send(path, "version=x").await.status, 422);
    // One's own is looked after by others.
    let own = supervisor.get("/administration/people/BS1").await;
    assert!(own.status == 200 && !own.html.contains("/BS1/disable"), "{}", own.html);
    assert_eq!(supervisor.send("/administration/people/BS1/disable", "").await.status, 409);
    assert_eq!(supervisor.send("/administration/people/LM1/end-sessions", "").await.status, 200);
    assert_eq!(lobby.get("/lobby").await.status, 303);
    let changed = supervisor.send("/administration/people/LM1/roles", "role_account_manager=on").await;
    assert!(changed.status == 200 && changed.html.contains("等待他人审批"), "{}", changed.html);
    let locked = supervisor.send("/administration/people/LM1/disable", "").await;
    assert!(locked.status == 200 && locked.html.contains("已停用"), "{}", locked.html);
    // Without script it leads back to the page.
    let form = format!("proof={}", supervisor.proof);
    let headers = [("cookie", &*supervisor.cookie)];
    let seen = hall.ask("POST", "/administration/people/LM1/end-sessions", &headers, &form).await;
    assert_eq!(&seen.headers["location"], "/administration/people/LM1?done=sessions-ended");
    // The last of a power is not locked.
    let centre = hall.log_in("CS1").await;
    assert_eq!(centre.send("/administration/people/SE1/disable", "").await.status, 409);
    // Of whom somebody has to confirm the need, it is said, and they stand first.
    hall.bank.wait(std::time::Duration::from_secs(89 * 24 * 3600));
    let later = hall.log_in("CS1").await;
    hall.bank.wait(std::time::Duration::from_secs(0));
    assert!(!later.get("/administration/people").await.html.contains("已到期"));
    assert!(later.get("/administration/people?state=due").await.html.contains("没有符合条件的账户"));
    assert!(
        later.get("/administration/people?state=disabled").await.html.contains("/administration/people/LM1")
    );
}
