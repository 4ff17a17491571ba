//! The interface's description: every route is in it, and answers as it says.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Value, json};
use tracker::config::Config;

use crate::support::{PATIENCE, Server, header, id};

/// The routes as the program has them.
fn routes() -> BTreeSet<String> {
    let sources = [
        include_str!("../../src/app.rs"),
        include_str!("../../src/routes/account.rs"),
        include_str!("../../src/routes/accounts.rs"),
    ];
    let named = sources
        .iter()
        .flat_map(|source| source.split(".route(\"").skip(1))
        .filter_map(|rest| rest.split('"').next());
    named.map(|path| path.replace("{*", "{")).collect()
}

async fn document(server: &Server) -> Value {
    let response = server.get("/api/openapi.json", &[]).await;
    assert_eq!(header(response.headers(), "content-type"), "application/json");
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test]
async fn every_route_is_described_and_nothing_else() {
    let server = Server::start(Config::default()).await;
    let document = document(&server).await;
    let described: BTreeSet<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(described, routes());
    let index: Value = serde_json::from_slice(server.get("/api", &[]).await.body()).unwrap();
    let listed = index["endpoints"].as_array().unwrap();
    assert!(listed.len() >= described.len());
    assert!(listed.iter().all(|entry| entry["summary"].as_str().is_some_and(|text| text.len() > 5)));
}

#[tokio::test]
async fn every_route_answers_as_it_says() {
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("a.bin"), vec![7; 1_000]).unwrap();
    let config = Config { files: Some(files.path().to_owned()), ..Config::default() };
    let server = Server::start(config).await;
    let mut peer = server.peer("a").await;
    peer.announce("t", json!(7), "started", &[]).await;
    let document = document(&server).await;
    server.get("/files/a.bin?lane=0123456789abcdef", &[]).await;
    let mut answered = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let example = path.replace("{info_hash}", &"a5".repeat(20)).replace("{path}", "a.bin");
        let example = example.replace("/torrents/a.bin", "/torrents/a.bin.torrent");
        let mut example = example.replace("{name}", "0123456789abcdef.json");
        if matches!(path.as_str(), "/announce" | "/scrape") {
            example.push_str(&format!("?info_hash={}&peer_id={}&port=1", id("t"), id("p")));
        }
        let operation = &methods["get"];
        if path == "/api/live" || operation.is_null() || operation["tags"] == json!(["accounts"]) {
            // The feed has no end, and accounts are for others: their own tests read them.
            continue;
        }
        let described = &operation["responses"];
        let response = until_hashed(&server, &example).await;
        let status = response.status().as_u16().to_string();
        let said = &described[&status];
        assert!(said.is_object(), "{path}: status {status} is not described");
        let content = said["content"].as_object().and_then(|content| content.iter().next());
        if let Some((content_type, described)) = content {
            assert_eq!(&header(response.headers(), "content-type"), content_type, "{path}");
            if content_type == "application/json" {
                let value: Value = serde_json::from_slice(response.body()).unwrap();
                let wrong = mismatch(&document, &described["schema"], &value);
                assert_eq!(wrong, None, "{path}: {value}");
            }
        }
        assert_eq!(
            response.status(),
            if path == "/files" { StatusCode::PERMANENT_REDIRECT } else { StatusCode::OK },
            "{path}"
        );
        answered += 1;
    }
    assert!(answered > 15, "{answered}");
}

/// A `.torrent` is there as soon as the file is hashed.
async fn until_hashed(server: &Server, path: &str) -> http::Response<bytes::Bytes> {
    let asked = async {
        loop {
            let response = server.get(path, &[]).await;
            if response.status() != StatusCode::SERVICE_UNAVAILABLE {
                return response;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap()
}

/// Where a value is not of its schema: as much of JSON Schema as the document uses.
fn mismatch(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/components/schemas/")) {
        let named = &document["components"]["schemas"][name];
        assert!(named.is_object(), "{name} is not described");
        return mismatch(document, named, value);
    }
    if let Some(any) = schema["oneOf"].as_array() {
        let fits = any.iter().any(|schema| mismatch(document, schema, value).is_none());
        return (!fits).then(|| format!("{value} is none of them"));
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed = |allowed: &Value| allowed == kind || (allowed == "number" && kind == "integer");
    let fits = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(allowed),
        one => allowed(one),
    };
    if !fits {
        return Some(format!("{value} is no {}", schema["type"]));
    }
    if let Some(names) = schema["enum"].as_array().filter(|names| !names.contains(value)) {
        return Some(format!("{value} is none of {names:?}"));
    }
    if let Some(items) = value.as_array() {
        return items.iter().find_map(|item| mismatch(document, &schema["items"], item));
    }
    let fields = value.as_object()?;
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            return Some(format!("{name} is missing"));
        }
    }
    let described = schema["properties"].as_object()?;
    fields.iter().find_map(|(name, field)| {
        let schema = described.get(name)?;
        mismatch(document, schema, field).map(|wrong| format!("{name}: {wrong}"))
    })
}

#[test]
fn a_wrong_answer_would_be_noticed() {
    let document = json!({"components": {"schemas": {"X": {
        "type": "object", "required": ["a"],
        "properties": {"a": {"type": ["integer", "null"]}, "b": {"type": "array", "items": {"type": "string", "enum": ["x"]}}},
    }}}});
    let schema = json!({"$ref": "#/components/schemas/X"});
    let wrong = |value| mismatch(&document, &schema, &value);
    assert_eq!(wrong(json!({"a": 1, "b": ["x"], "more": {}})), None);
    assert_eq!(wrong(json!({"a": null})), None);
    for value in [
        json!([]),
        json!({}),
        json!({"a": "1"}),
        json!({"a": 1.5}),
        json!({"a": 1, "b": ["y"]}),
        json!({"a": 1, "b": [1]}),
    ] {
        assert!(wrong(value.clone()).is_some(), "{value}");
    }
}
