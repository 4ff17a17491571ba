//! Private mode: what is refused, to whom, and what holds no longer.

mod visitor;

use std::fs;

use data_encoding::BASE64;
use serde_json::{Value, json};
use shared::tracker::udp::{UdpRequest, UdpResponse};
use tokio::time::timeout;
use tracker::account::Registration;
use tracker::config::{Config, NetLimits};

use crate::support::{PATIENCE, Peer, Server, header};

use self::visitor::*;

#[tokio::test]
async fn without_private_mode_nothing_changes() {
    let server = Server::start(Config::default()).await;
    let config: Value = serde_json::from_slice(server.get("/config.json", &[]).await.body()).unwrap();
    assert_eq!(config["accounts"], Value::Null);
    assert_eq!(server.get("/api/account", &[]).await.status(), 404);
    // A path with a key is an announce URL all the same: a list of trackers may be older than the setting.
    let key = "0123456789abcdef0123456789abcdef";
    assert_eq!(code(server.get(&format!("/{key}/announce?{QUERY}"), &[]).await.body()), "");
    assert_eq!(ws_code(&mut server.peer_at("a", &format!("/{key}/announce")).await).await, "");
}

#[tokio::test]
async fn private_mode_refuses_everything_without_an_account() {
    let tracker = Private::private().await;
    let config: Value = serde_json::from_slice(tracker.server.get("/config.json", &[]).await.body()).unwrap();
    assert_eq!(config["accounts"], json!({"required": true, "registration": "invite"}));
    let wrong = "0123456789abcdef0123456789abcdef";
    for (path, expected) in [
        ("/announce".to_owned(), "login_required"),
        (format!("/{wrong}/announce"), "credential_invalid"),
        (format!("/announce/{wrong}"), "credential_invalid"),
    ] {
        assert_eq!(tracker.announce(&path).await, expected, "{path}");
        assert_eq!(tracker.announce_ws(&path).await, expected, "{path}");
    }
    let scrape = tracker
        .server
        .get("/scrape?info_hash=%07%07%07%07%07%07%07%07%07%07%07%07%07%07%07%07%07%07%07%07", &[])
        .await;
    assert_eq!(code(scrape.body()), "login_required");
    assert_eq!(code(tracker.server.get("/scrape", &[]).await.body()), "login_required");
    let mut peer = tracker.server.peer("a").await;
    peer.send(json!({"action": "scrape"})).await;
    assert_eq!(peer.next().await["code"], "login_required");
    peer.answer("torrent", "b", "offer").await;
    assert_eq!(peer.next().await["code"], "login_required", "an answer is taken from members only");
    assert!(tracker.announce_udp("/announce").await.starts_with("login required"));
    assert!(tracker.announce_udp(&format!("/{wrong}/announce")).await.starts_with("unknown passkey"));
    let hashes = vec![HASH.parse().unwrap()];
    let said = tracker.ask_udp(|connection| UdpRequest::Scrape { connection, hashes }).await;
    assert!(matches!(&said, UdpResponse::Error(text) if text.starts_with("login required")), "{said:?}");
    let refused = &tracker.server.stats().await["rejections"]["account"];
    assert_eq!(*refused, 3 + 3 + 2 + 2 + 3, "announces and scrapes over HTTP, WebSocket and UDP, each once");
    for path in ["/files", "/files/", "/files/a.txt", "/files/none", "/torrents/a.txt.torrent"] {
        let response = tracker.server.get(path, &[]).await;
        assert_eq!(response.status(), 401, "{path}");
        let said: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(said["error"]["code"], "login_required", "{path}");
        assert!(
            header(response.headers(), "www-authenticate").starts_with("Bearer"),
            "no browser asks by itself"
        );
        assert_eq!(tracker.server.request("HEAD", path, &[]).await.status(), 401, "{path}");
    }
    let page = tracker.server.get("/files/a.txt", &[("accept", "text/html,*/*")]).await;
    assert_eq!(page.status(), 401);
    assert!(String::from_utf8_lossy(page.body()).contains("href=\"/#/account\""));
    assert_eq!(tracker.server.stats().await["peersAll"], 0, "nobody got into a swarm");
}

#[tokio::test]
async fn a_passkey_opens_every_frontend_until_it_is_renewed() {
    let tracker = Private::private().await;
    let mut ann = tracker.admin().await;
    let old = tracker.passkey(&mut ann).await;
    let mut socket = tracker.server.peer_at("open", &format!("/{old}/announce")).await;
    for path in
        [format!("/{old}/announce"), format!("/announce/{old}"), format!("/{}/announce/", old.to_uppercase())]
    {
        assert_eq!(tracker.announce(&path).await, "", "{path}");
        assert_eq!(tracker.announce_ws(&path).await, "", "{path}");
        assert_eq!(tracker.announce_udp(&path).await, "", "{path}");
    }
    assert_eq!(code(tracker.server.get(&format!("/{old}/scrape"), &[]).await.body()), "");
    assert_eq!(ws_code(&mut socket).await, "");
    let bearer = format!("Bearer {old}");
    let basic = format!("Basic {}", BASE64.encode(format!("root:{old}").as_bytes()));
    for authorization in [&bearer, &basic] {
        assert_eq!(tracker.download("/files/a.txt", &[("authorization", authorization)]).await, 200);
    }
    assert_eq!(tracker.download("/files/a.txt", &[("authorization", "Bearer x")]).await, 401);
    // It says who announces, and decides nothing.
    let account = tracker.server.get("/api/accounts", &[("authorization", &bearer)]).await;
    assert_eq!(account.status(), 401);

    let (status, said) = tracker.post(&mut ann, "/api/account/passkey", json!({})).await;
    let new = said["passkey"].as_str().unwrap();
    assert_eq!((status, new.len()), (200, 32));
    assert_ne!(new, old);
    let path = format!("/{old}/announce");
    assert_eq!(tracker.announce(&path).await, "credential_invalid");
    assert!(tracker.announce_udp(&path).await.starts_with("unknown passkey"));
    assert_eq!(ws_code(&mut socket).await, "credential_invalid", "a socket that was opened with it");
    assert_eq!(tracker.download("/files/a.txt", &[("authorization", &bearer)]).await, 401);
    assert_eq!(tracker.announce(&format!("/{new}/announce")).await, "");
}

#[tokio::test]
async fn a_websocket_is_not_authenticated_by_a_cookie_but_by_a_token_once() {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
    let tracker = Private::private().await;
    let mut ann = tracker.admin().await;
    let connect = async |path: &str, cookie: &str| {
        let mut request = format!("ws://{}{path}", tracker.host()).into_client_request().unwrap();
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
        request.headers_mut().insert("origin", "http://evil.example".parse().unwrap());
        let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        Peer::over("a", socket)
    };
    assert_eq!(ws_code(&mut connect("/announce", &ann.cookie).await).await, "login_required");
    let token = tracker.token(&mut ann).await;
    let mut page = connect(&format!("/{token}/announce"), "").await;
    assert_eq!(ws_code(&mut page).await, "");
    assert_eq!(
        ws_code(&mut connect(&format!("/{token}/announce"), "").await).await,
        "credential_invalid",
        "used up"
    );
    let token = tracker.token(&mut ann).await;
    assert_eq!(
        tracker.announce(&format!("/{token}/announce")).await,
        "credential_invalid",
        "for WebSockets only"
    );
    // What the socket stands for ends with the login.
    assert_eq!(tracker.post(&mut ann, "/api/account/logout", json!({})).await.0, 200);
    assert_eq!(ws_code(&mut page).await, "credential_invalid");
}

#[tokio::test]
async fn a_socket_whose_login_ended_is_closed() {
    let tracker = Private::start(|_, config| {
        config.net =
            NetLimits { ping_interval: std::time::Duration::from_millis(100), ..NetLimits::default() };
    })
    .await;
    let mut ann = tracker.admin().await;
    let token = tracker.token(&mut ann).await;
    let mut page = tracker.server.peer_at("page", &format!("/{token}/announce")).await;
    assert_eq!(ws_code(&mut page).await, "");
    tracker.post(&mut ann, "/api/account/logout", json!({})).await;
    assert!(page.closed().await.unwrap().reason.contains("holds no longer"));
    tracker.server.until_stat("peersAll", 0).await;
}

#[tokio::test]
async fn a_login_ends_with_logout_with_another_password_and_with_the_account() {
    let tracker = Private::private().await;
    let mut root = tracker.admin().await;
    let mut ann = tracker.member(&mut root, "ann").await;
    let cookie = |client: &Client| client.cookie.clone();
    let works = async |cookie: &str| tracker.download("/files/a.txt", &[("cookie", cookie)]).await == 200;
    assert!(works(&cookie(&ann)).await);
    let left = cookie(&ann);
    assert_eq!(tracker.post(&mut ann, "/api/account/logout", json!({})).await.0, 200);
    assert_eq!(ann.cookie, "piecemeal=", "the browser forgets it");
    assert!(!works(&left).await);

    let login = json!({"name": " ANN ", "password": PASSWORD});
    let mut other = Client::default();
    assert_eq!(tracker.post(&mut ann, "/api/account/login", login.clone()).await.0, 200);
    assert_eq!(tracker.post(&mut other, "/api/account/login", login.clone()).await.0, 200);
    let before = cookie(&ann);
    let change = json!({"current": "not the password", "new": "another horse battery"});
    assert_eq!(
        tracker.post(&mut ann, "/api/account/password", change).await.1["error"]["code"],
        "wrong_credentials"
    );
    let change = json!({"current": PASSWORD, "new": "another horse battery"});
    assert_eq!(tracker.post(&mut ann, "/api/account/password", change).await.0, 200);
    assert!(!works(&before).await && !works(&other.cookie).await && works(&ann.cookie).await);
    assert_eq!(
        tracker.post(&mut other, "/api/account/login", login).await.1["error"]["code"],
        "wrong_credentials"
    );

    let (_, list) = tracker.call(&mut root, "GET", "/api/accounts", json!({})).await;
    let number =
        list["accounts"].as_array().unwrap().iter().find(|it| it["name"] == "ann").unwrap()["id"].clone();
    let key = tracker.passkey(&mut ann).await;
    let path = format!("/api/accounts/{number}");
    assert_eq!(tracker.call(&mut root, "PATCH", &path, json!({"disabled": true})).await.0, 200);
    assert!(!works(&ann.cookie).await);
    assert_eq!(tracker.announce(&format!("/{key}/announce")).await, "account_disabled");
    let login = json!({"name": "ann", "password": "another horse battery"});
    let (status, said) = tracker.post(&mut ann, "/api/account/login", login.clone()).await;
    assert_eq!((status, &said["error"]["code"]), (403, &json!("account_disabled")));
    let guess = json!({"name": "ann", "password": "wrong horse battery"});
    assert_eq!(
        tracker.post(&mut ann, "/api/account/login", guess).await.1["error"]["code"],
        "wrong_credentials"
    );
    tracker.call(&mut root, "PATCH", &path, json!({"disabled": false})).await;
    assert_eq!(tracker.post(&mut ann, "/api/account/login", login).await.0, 200);
    let reset = json!({"password": "third horse battery"});
    assert_eq!(tracker.post(&mut root, &format!("{path}/password"), reset).await.0, 200);
    assert!(!works(&ann.cookie).await);
}

#[tokio::test]
async fn another_website_changes_nothing() {
    let tracker = Private::private().await;
    let mut ann = tracker.admin().await;
    let own = format!("http://{}", tracker.host());
    let json = ("content-type", "application/json");
    for (headers, expected) in [
        (vec![json, ("origin", "http://evil.example")], 403),
        (vec![json, ("origin", "null")], 403),
        (vec![json, ("origin", &own), ("sec-fetch-site", "cross-site")], 403),
        (vec![json, ("sec-fetch-site", "same-site")], 403),
        (vec![("content-type", "text/plain"), ("origin", &own)], 415),
        (vec![("content-type", "application/x-www-form-urlencoded")], 415),
        (vec![("origin", &own as &str)], 415),
    ] {
        for path in ["logout", "passkey", "token", "password", "login", "register"] {
            let mut all = headers.clone();
            all.push(("cookie", &ann.cookie));
            let response = tracker.send("POST", &format!("/api/account/{path}"), &all, "{}".to_owned()).await;
            assert_eq!(response.status(), expected, "{path} {headers:?}");
            assert!(!response.headers().contains_key("access-control-allow-origin"));
        }
    }
    assert_eq!(tracker.me(&mut ann).await["name"], "root", "still logged in");
    // A program that is no browser sends neither header.
    let sent =
        tracker.send("POST", "/api/account/logout", &[json, ("cookie", &ann.cookie)], "{}".into()).await;
    assert_eq!(sent.status(), 200);
}

#[tokio::test]
async fn the_cookie_is_out_of_reach_of_scripts_and_websites() {
    let tracker = Private::private().await;
    let body = json!({"name": "root", "password": PASSWORD, "invitation": tracker.setup}).to_string();
    let headers = [("content-type", "application/json")];
    let response = tracker.send("POST", "/api/account/register", &headers, body).await;
    let cookie = header(response.headers(), "set-cookie");
    let (value, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000");
    assert!(value.starts_with("piecemeal=t-") && value.len() > 50, "{value}");
    assert!(
        !fs::read(tracker.data.path().join("data/accounts.sqlite"))
            .unwrap()
            .windows(43)
            .any(|window| { value.as_bytes().ends_with(window) }),
        "the database holds a digest"
    );
    // Behind a proxy that takes the TLS off, the browser still sees TLS.
    let origin = format!("https://{}", tracker.host());
    let headers = [("content-type", "application/json"), ("origin", origin.as_str())];
    let body = json!({"name": "root", "password": PASSWORD}).to_string();
    let response = tracker.send("POST", "/api/account/login", &headers, body).await;
    let cookie = header(response.headers(), "set-cookie");
    assert!(cookie.starts_with("__Host-piecemeal=t-") && cookie.ends_with("; Secure"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    assert_eq!(tracker.download("/files/a.txt", &[("cookie", pair)]).await, 200);
}

#[tokio::test]
async fn guessing_is_slowed_and_unknown_names_are_not_told_apart() {
    let tracker = Private::private().await;
    let mut root = tracker.admin().await;
    tracker.member(&mut root, "ann").await;
    for name in ["ann", "nobody-of-this-name", "no name !"] {
        let mut client = Client::default();
        let mut answers = Vec::new();
        for _ in 0..7 {
            let guess = json!({"name": name, "password": "wrong horse battery"});
            let (status, said) = tracker.post(&mut client, "/api/account/login", guess).await;
            answers.push((status, said["error"]["code"].as_str().unwrap().to_owned()));
            if status == 429 {
                assert!(said["error"]["retryAfter"].as_u64().unwrap() >= 1, "{said}");
            }
        }
        let wrong = (401, "wrong_credentials".to_owned());
        assert_eq!(answers[..5], vec![wrong; 5], "{name}");
        assert!(answers[5..].contains(&(429, "locked".to_owned())), "{name}: {answers:?}");
    }
}

#[tokio::test]
async fn accounts_are_made_by_invitation_and_the_first_by_the_operator() {
    for registration in [Registration::Open, Registration::Invite, Registration::Closed] {
        let tracker = Private::start(|accounts, _| accounts.registration = registration).await;
        let register = async |name: &str, invitation: Value| {
            let mut client = Client::default();
            let body = json!({"name": name, "password": PASSWORD, "invitation": invitation});
            let (status, said) = tracker.post(&mut client, "/api/account/register", body).await;
            (status, said["error"]["code"].as_str().unwrap_or_default().to_owned())
        };
        // Whoever comes by first must not become the admin.
        assert_ne!(register("first", Value::Null).await.0, 200, "{registration:?}");
        assert_ne!(register("first", json!("t-nonsense")).await.0, 200, "{registration:?}");
        let mut root = tracker.admin().await;
        assert_ne!(register("second", json!(tracker.setup)).await.0, 200, "good once");
        let (status, said) = tracker.post(&mut root, "/api/invitations", json!({})).await;
        assert_eq!(status, 201, "{said}");
        let invited = register("ann", said["invitation"].clone()).await;
        let used = register("bob", said["invitation"].clone()).await;
        let uninvited = register("cem", Value::Null).await;
        let closed = (403, "registration_closed".to_owned());
        let invalid = (403, "invitation_invalid".to_owned());
        match registration {
            Registration::Open => {
                assert_eq!((invited.0, used, uninvited.0), (200, invalid, 200));
                assert_eq!(register("ANN", Value::Null).await, (409, "name_taken".to_owned()));
            }
            Registration::Invite => assert_eq!((invited.0, used, uninvited), (200, invalid.clone(), invalid)),
            Registration::Closed => {
                assert_eq!((invited, used, uninvited), (closed.clone(), closed.clone(), closed))
            }
        }
        assert_eq!(register("d/e", Value::Null).await.1, "name_invalid");
    }
}

#[tokio::test]
async fn what_is_decided_by_admins_is_decided_by_nobody_else() {
    let tracker = Private::private().await;
    let mut root = tracker.admin().await;
    let mut ann = tracker.member(&mut root, "ann").await;
    let permission = format!("/api/permissions/{HASH}");
    for (method, path) in [
        ("GET", "/api/accounts"),
        ("POST", "/api/accounts"),
        ("PATCH", "/api/accounts/1"),
        ("POST", "/api/accounts/1/password"),
        ("POST", "/api/invitations"),
        ("GET", "/api/permissions"),
        ("PUT", &permission),
        ("DELETE", &permission),
    ] {
        // Bodies that would do it.
        let body = match path {
            "/api/accounts" => json!({"name": "x", "password": PASSWORD, "role": "admin"}),
            "/api/accounts/1" => json!({"disabled": true}),
            "/api/accounts/1/password" => json!({"password": PASSWORD}),
            "/api/invitations" => json!({}),
            _ => json!({"everyone": true}),
        };
        let (status, said) = tracker.call(&mut ann, method, path, body.clone()).await;
        assert_eq!((status, &said["error"]["code"]), (403, &json!("admin_only")), "{method} {path}");
        let (status, said) = tracker.call(&mut Client::default(), method, path, body).await;
        assert_eq!((status, &said["error"]["code"]), (401, &json!("login_required")), "{method} {path}");
    }
    let (status, said) = tracker.call(&mut root, "PATCH", "/api/accounts/1", json!({"role": "member"})).await;
    assert_eq!((status, &said["error"]["code"]), (409, &json!("last_admin")));
    for (body, expected) in [("{", 400), ("{}", 400), ("{\"name\": 1}", 400), (&"x".repeat(20_000), 400)] {
        let headers = [("content-type", "application/json"), ("cookie", root.cookie.as_str())];
        let response = tracker.send("POST", "/api/accounts", &headers, body.to_owned()).await;
        assert_eq!(response.status(), expected, "{}", String::from_utf8_lossy(response.body()));
    }
}

#[tokio::test]
async fn a_restricted_torrent_is_for_those_it_names() {
    let tracker = Private::private().await;
    let mut root = tracker.admin().await;
    let (mut ann, mut bob) = (tracker.member(&mut root, "ann").await, tracker.member(&mut root, "bob").await);
    let (ann_key, bob_key) = (tracker.passkey(&mut ann).await, tracker.passkey(&mut bob).await);
    let path = format!("/api/permissions/{HASH}");
    let only = |accounts: Value, groups: Value| json!({"title": "x", "everyone": false, "accounts": accounts, "groups": groups});
    assert_eq!(tracker.announce(&format!("/{bob_key}/announce")).await, "");
    assert_eq!(tracker.call(&mut root, "PUT", &path, only(json!(["ann"]), json!([]))).await.0, 200);
    assert_eq!(tracker.announce(&format!("/{ann_key}/announce")).await, "");
    assert_eq!(tracker.announce(&format!("/{bob_key}/announce")).await, "torrent_restricted");
    assert!(
        tracker.announce_udp(&format!("/{bob_key}/announce")).await.starts_with("this torrent is not for")
    );
    assert_eq!(tracker.call(&mut root, "PUT", &path, only(json!([]), json!(["art"]))).await.0, 200);
    assert_eq!(tracker.announce(&format!("/{ann_key}/announce")).await, "torrent_restricted");
    tracker.call(&mut root, "PATCH", "/api/accounts/3", json!({"groups": ["Art"]})).await;
    assert_eq!(tracker.announce(&format!("/{bob_key}/announce")).await, "");
    let (status, said) = tracker.call(&mut root, "PUT", &path, only(json!(["nobody"]), json!([]))).await;
    assert_eq!((status, &said["error"]["code"]), (404, &json!("account_unknown")));
    let (_, list) = tracker.call(&mut root, "GET", "/api/permissions", json!({})).await;
    assert_eq!(list["permissions"][0]["groups"], json!(["art"]));
    assert_eq!(tracker.call(&mut root, "DELETE", &path, json!({})).await.0, 200);
    assert_eq!(tracker.announce(&format!("/{ann_key}/announce")).await, "");
}

#[tokio::test]
async fn a_published_file_follows_its_torrents_permission() {
    let tracker = Private::private().await;
    let mut root = tracker.admin().await;
    let (ann, bob) = (tracker.member(&mut root, "ann").await, tracker.member(&mut root, "bob").await);
    let host = tracker.host();
    let list = async |client: &Client| {
        let headers = [("cookie", client.cookie.as_str()), ("host", host.as_str())];
        let response = tracker.server.get("/files/?format=json", &headers).await;
        serde_json::from_slice::<Vec<Value>>(response.body()).unwrap()
    };
    let entry = async |client: &Client, name: &str| {
        loop {
            let found = list(client).await.into_iter().find(|entry| entry["name"] == name);
            if found.as_ref().is_none_or(|found| found["hashed"].is_null()) {
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let hash = entry(&root, "a.txt").await.unwrap()["infoHash"].as_str().unwrap().to_owned();
    entry(&root, "b.txt").await.unwrap();
    let only = json!({"everyone": false, "accounts": ["ann"]});
    assert_eq!(tracker.call(&mut root, "PUT", &format!("/api/permissions/{hash}"), only).await.0, 200);
    for (client, expected) in [(&ann, 200), (&bob, 403), (&root, 200)] {
        let cookie = [("cookie", client.cookie.as_str()), ("host", host.as_str())];
        for path in ["/files/a.txt", "/torrents/a.txt.torrent"] {
            assert_eq!(tracker.server.get(path, &cookie).await.status(), expected, "{path}");
        }
        assert_eq!(entry(client, "a.txt").await.is_some(), expected == 200);
        assert_eq!(tracker.server.get("/files/b.txt", &cookie).await.status(), 200);
    }
    // After a change nobody knows which torrent it is until it is hashed: it is not given away meanwhile.
    fs::write(tracker.data.path().join("files/a.txt"), "only for members, again").unwrap();
    let cookie = [("cookie", bob.cookie.as_str()), ("host", host.as_str())];
    let first = tracker.server.get("/files/a.txt", &cookie).await.status();
    assert!(first == 503 || first == 200, "{first}: hashed as another torrent, or being hashed");
}

#[tokio::test]
async fn what_peers_say_that_they_moved_is_counted_for_their_account() {
    let tracker = Private::private().await;
    let mut root = tracker.admin().await;
    let key = tracker.passkey(&mut root).await;
    for (event, up, down) in [("started", 0, 0), ("", 70, 300), ("stopped", 90, 1_000)] {
        let query = format!("{QUERY}&event={event}&uploaded={up}&downloaded={down}");
        assert_eq!(code(tracker.server.get(&format!("/{key}/announce?{query}"), &[]).await.body()), "");
    }
    let counted = async {
        loop {
            let (_, list) = tracker.call(&mut root, "GET", "/api/accounts", json!({})).await;
            if list["accounts"][0]["uploaded"] != 0 {
                return list["accounts"][0].clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let account = timeout(PATIENCE, counted).await.unwrap();
    assert_eq!((&account["uploaded"], &account["downloaded"]), (&json!(90), &json!(1_000)));
}

#[tokio::test]
async fn with_registered_torrents_only_others_are_refused() {
    let tracker = Private::start(|accounts, _| accounts.registered_torrents_only = true).await;
    let mut root = tracker.admin().await;
    let key = tracker.passkey(&mut root).await;
    let announce = format!("/{key}/announce");
    assert_eq!(tracker.announce(&announce).await, "torrent_not_registered");
    let path = format!("/api/permissions/{HASH}");
    assert_eq!(tracker.call(&mut root, "PUT", &path, json!({"everyone": true})).await.0, 200);
    assert_eq!(tracker.announce(&announce).await, "");
}

#[tokio::test]
async fn no_link_or_torrent_holds_anybodys_secret() {
    let tracker = Private::private().await;
    let mut ann = tracker.admin().await;
    let (key, token) = (tracker.passkey(&mut ann).await, tracker.token(&mut ann).await);
    let host = tracker.host();
    let bearer = format!("Bearer {key}");
    for headers in [
        [("host", host.as_str()), ("cookie", ann.cookie.as_str())],
        [("host", host.as_str()), ("authorization", bearer.as_str())],
    ] {
        for path in
            ["/torrents/a.txt.torrent", "/files/?format=json", "/files/", "/config.json", "/stats.json"]
        {
            let response = tracker.server.get(path, &headers).await;
            assert_eq!(response.status(), 200, "{path}");
            let body = String::from_utf8_lossy(response.body()).into_owned();
            let secret = ann.cookie.split_once('=').unwrap().1;
            assert!(![&key, &token, secret].iter().any(|secret| body.contains(*secret)), "{path}: {body}");
            if path.ends_with(".torrent") {
                assert!(body.contains(&format!("ws://{host}/announce")), "{body}");
            }
        }
    }
}

#[tokio::test]
async fn accounts_of_the_command_line_are_taken_over_by_a_tracker_that_runs() {
    let tracker = Private::private().await;
    let mut root = tracker.admin().await;
    let key = tracker.passkey(&mut root).await;
    let data = tracker.data.path().join("data");
    let run = |args: &[&str], input: &str| {
        use std::io::Write as _;
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_tracker"))
            .arg("account")
            .args(args)
            .arg("--data")
            .arg(&data)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    };
    assert_eq!(run(&["add", "Ann"], "correct horse battery\n"), (true, "ann is a member\n".to_owned()));
    assert!(!run(&["add", "ann"], "correct horse battery\n").0, "there is one");
    let (failed, said) = run(&["add", "bob"], "short\n");
    assert!(!failed && said.contains("at least 10 characters"), "{said}");
    assert!(run(&["list"], "").1.contains("root  admin   enabled"), "{}", run(&["list"], "").1);
    assert!(run(&["disable", "root"], "").1.contains("last admin"));
    assert!(run(&["role", "ann", "admin"], "").0 && run(&["disable", "root"], "").0);
    let refused = async {
        while tracker.announce(&format!("/{key}/announce")).await != "account_disabled" {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, refused).await.expect("a tracker that runs looks for changes");
    let (generated, said) = run(&["passwd", "ann", "--generate"], "");
    let password = said.trim().rsplit(' ').next().unwrap().to_owned();
    assert!(generated && password.len() == 24, "{said}");
    let body = json!({"name": "ann", "password": password});
    assert_eq!(tracker.post(&mut Client::default(), "/api/account/login", body).await.0, 200);
}

/// A tracker of private mode seeds its own files: its own peer has a way in.
#[tokio::test]
async fn the_trackers_own_peer_is_let_in() {
    let tracker = Private::start(|_, config| {
        let look_interval = std::time::Duration::from_millis(300);
        config.seed = Some(tracker::config::SeedConfig { look_interval, ..Default::default() });
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
        let files = config.files.clone().unwrap();
        for name in ["a.txt", "b.txt"] {
            fs::File::open(files.join(name)).unwrap().set_modified(old).unwrap();
        }
    })
    .await;
    tracker.server.until_stat("torrents", 2).await;
}

#[tokio::test]
async fn the_relay_is_for_those_who_are_logged_in() {
    let private = Private::start(|_, config| config.turn = Some(crate::turn::relay())).await;
    let mut admin = private.admin().await;
    let relays = |said: Value| {
        let servers = said["iceServers"].as_array().unwrap().clone();
        servers.iter().filter(|server| server["credential"].is_string()).count()
    };
    let stranger = &mut Client::default();
    assert_eq!(relays(private.call(stranger, "GET", "/config.json", json!({})).await.1), 0);
    assert_eq!(relays(private.call(&mut admin, "GET", "/config.json", json!({})).await.1), 1);
}

#[tokio::test]
async fn an_admin_sees_the_dashboard_and_a_member_does_not() {
    let tracker = Private::start(|_, config| {
        config.observe.dashboard_token = Some("0123456789abcdef".to_owned());
    })
    .await;
    let mut root = tracker.admin().await;
    let mut ann = tracker.member(&mut root, "ann").await;
    for (client, expected) in [(&mut root, 200), (&mut ann, 401), (&mut Client::default(), 401)] {
        let (status, _) = tracker.call(client, "GET", "/api/events", json!({})).await;
        assert_eq!(status, expected);
        let (_, config) = tracker.call(client, "GET", "/config.json", json!({})).await;
        assert_eq!(config["dashboard"], json!(expected == 200));
    }
    let rebound = [("host", "evil.example"), ("cookie", root.cookie.as_str())];
    assert_ne!(tracker.server.get("/api/events", &rebound).await.status(), 200);
}
