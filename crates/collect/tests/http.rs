//! Deliveries over HTTP, each from its head to its answer, as a web layer walks them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::result_large_err
)]

use std::io::Write;

use collect::Position;
use collect::http::{
    Answer, BodyLimits, Deliver, HecSettings, Opening, Reception, Refusal, Secret, Settings,
};
use http::Request;
use http::request::Parts;
use serde_json::{Value, json};

const TOKEN: &str = "11111111-2222-4333-8444-555555555555";

/// A web layer in small: one token is known, and what is delivered is on the disk at once.
struct House {
    reception: Reception,
    refusal: Option<Refusal>,
    next: std::cell::Cell<u64>,
}

impl House {
    fn new() -> Self {
        Self::with(Settings { formats: vec!["syslog"], ..Settings::default() })
    }

    fn with(settings: Settings) -> Self {
        let reception = Reception::new(settings, Position(40));
        Self { reception, refusal: None, next: std::cell::Cell::new(41) }
    }

    /// What came of a request: what is kept, and the answer.
    fn take(&self, request: Request<Vec<u8>>) -> (Option<Deliver>, Answer) {
        let (parts, body) = request.into_parts();
        self.walk(&parts, &body).unwrap_or_else(|answer| (None, answer))
    }

    fn walk(&self, parts: &Parts, body: &[u8]) -> Result<(Option<Deliver>, Answer), Answer> {
        let visit = match self.reception.open(parts) {
            Opening::Elsewhere => panic!("{} is nobody's", parts.uri),
            Opening::Answer(answer) => return Err(answer),
            Opening::Visit(visit) => visit,
        };
        let shown = format!("{visit:?}");
        let credential = visit.credential()?;
        assert!(!format!("{credential:?}{shown}").contains(TOKEN), "a secret is shown");
        if credential.secret.digest() != Secret::new(TOKEN).digest() {
            return Err(visit.refuse(&Refusal::UnknownCredential));
        }
        if let Some(answer) = visit.greeting() {
            return Err(answer);
        }
        let mut decoder = visit.decoder()?;
        for chunk in body.chunks(7.max(body.len() / 1_000)) {
            decoder.push(chunk).map_err(|e| visit.refuse(&e.into()))?;
        }
        let body = decoder.finish().map_err(|e| visit.refuse(&e.into()))?;
        let mut receipt = visit.receive(body)?;
        if let Some(refusal) = &self.refusal {
            return Err(visit.refuse(refusal));
        }
        let mut delivered = receipt.take();
        assert!(delivered.len() < 2);
        let Some(deliver) = delivered.pop() else {
            return Ok((None, receipt.accepted(Position::START)));
        };
        let at = Position(self.next.replace(self.next.get() + 1));
        self.reception.kept(at);
        Ok((Some(deliver), receipt.accepted(at)))
    }
}

fn post(uri: &str) -> http::request::Builder {
    Request::post(uri).header("authorization", format!("Bearer {TOKEN}"))
}

fn hec(uri: &str) -> http::request::Builder {
    Request::post(uri).header("authorization", format!("Splunk {TOKEN}"))
}

fn body(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
}

fn code_of(answer: &Answer) -> (u16, u64) {
    (answer.status.as_u16(), json_of(answer)["code"].as_u64().unwrap_or(999))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

// The collector.

#[test]
fn envelopes_are_taken_and_told_so() {
    let house = House::new();
    let text = r#"{"event":"a","sourcetype":"x"}{"event":{"b":1}}"#;
    for path in
        ["/services/collector", "/services/collector/event", "/services/collector/event/1.0"]
    {
        let (deliver, answer) = house.take(hec(path).body(body(text)).unwrap());
        let deliver = deliver.unwrap();
        assert_eq!((deliver.format, deliver.body), (Some("hec"), body(text).into()));
        assert_eq!(json_of(&answer), json!({"text": "Success", "code": 0}));
        assert_eq!(answer.headers["content-type"], "application/json");
    }
    let raw = "/services/collector/raw?sourcetype=syslog&host=web%201&token=";
    let (deliver, answer) = house.take(hec(raw).body(body("<34>a\n<34>b\n")).unwrap());
    let deliver = deliver.unwrap();
    assert_eq!((deliver.format, code_of(&answer)), (None, (200, 0)));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(deliver.metadata, [pair("host", "web 1"), pair("sourcetype", "syslog")]);
}

#[test]
fn the_collector_says_what_is_wrong_by_its_numbers() {
    let house = House::new();
    let event = "/services/collector/event";
    let at = |uri: &str, token: Option<&str>, text: &str| {
        let request = Request::post(uri);
        let request = match token {
            Some(token) => request.header("authorization", token),
            None => request,
        };
        let (deliver, answer) = house.take(request.body(body(text)).unwrap());
        assert!(deliver.is_none(), "{uri} {text}");
        (code_of(&answer), json_of(&answer)["invalid-event-number"].as_u64())
    };
    let ours = format!("Splunk {TOKEN}");
    let ours = Some(ours.as_str());
    let fine = r#"{"event":1}"#;
    assert_eq!(at(event, None, fine).0, (401, 2));
    assert_eq!(at(event, Some("Token x"), fine).0, (401, 3));
    assert_eq!(at(event, Some("Bearer x"), fine).0, (401, 3));
    assert_eq!(at(event, Some("Splunk"), fine).0, (401, 3));
    assert_eq!(at(event, Some("Splunk wrong"), fine).0, (403, 4));
    assert_eq!(at(event, ours, " \n").0, (400, 5));
    assert_eq!(at(event, ours, "{\"event\":1}{"), ((400, 6), Some(1)));
    assert_eq!(at(event, ours, "{\"event\":1}{\"host\":1}"), ((400, 12), Some(1)));
    assert_eq!(at(event, ours, "{\"event\":\"\"}"), ((400, 13), Some(0)));
    assert_eq!(at(event, ours, "{\"event\":1,\"fields\":{\"a\":{}}}"), ((400, 15), Some(0)));
    assert_eq!(at("/services/collector/event?token=x", None, fine).0, (400, 16));
    assert_eq!(at("/services/collector/event?channel=a/b", ours, fine).0, (400, 11));
    assert_eq!(at("/services/collector/ack", ours, "{\"acks\":[0]}").0, (400, 10));
    assert_eq!(at("/services/collector/ack?channel=a", ours, "[]").0, (400, 6));
}

#[test]
fn a_token_may_come_as_a_password_and_in_the_query_only_when_allowed() {
    use base64::Engine;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("x:{TOKEN}"));
    let request =
        Request::post("/services/collector").header("authorization", format!("Basic {basic}"));
    let (deliver, _) = House::new().take(request.body(body("{\"event\":1}")).unwrap());
    assert!(deliver.is_some());
    let hec = HecSettings { query_tokens: true, ..HecSettings::default() };
    let house = House::with(Settings { hec, ..Settings::default() });
    let request = Request::post(format!("/services/collector/raw?token={TOKEN}"));
    let (deliver, answer) = house.take(request.body(body("a")).unwrap());
    assert_eq!(code_of(&answer), (200, 0));
    assert!(!format!("{deliver:?}").contains(TOKEN));
}

#[test]
fn what_is_acknowledged_is_on_the_disk() {
    let house = House::new();
    let event = || body("{\"event\":1}");
    let send = |channel: &str| {
        let request = hec("/services/collector").header("x-splunk-request-channel", channel);
        json_of(&house.take(request.body(event()).unwrap()).1)["ackId"].as_u64()
    };
    // Without a channel nobody asks, and there is no number.
    let (_, answer) = house.take(hec("/services/collector").body(event()).unwrap());
    assert_eq!(json_of(&answer).get("ackId"), None);
    assert_eq!([send("a"), send("a"), send("b")], [Some(42), Some(43), Some(44)]);
    let ask = |house: &House, text: &str| {
        let ask = hec("/services/collector/ack?channel=a").body(body(text)).unwrap();
        let (deliver, answer) = house.take(ask);
        assert!(deliver.is_none());
        answer
    };
    // Those before a restart (up to 40) are there too; what has not been given is not.
    let told = json_of(&ask(&house, "{\"acks\":[0,40,42,44,45]}"));
    let expected = json!({"0": false, "40": true, "42": true, "44": true, "45": false});
    assert_eq!(told, json!({"acks": expected}));
    assert_eq!(code_of(&ask(&house, "{\"acks\":[-1]}")), (400, 6));
    let many = format!("{{\"acks\":[{}1]}}", "1,".repeat(600_000));
    assert_eq!(ask(&house, &many).status, 413);
    let hec_off = HecSettings { acknowledge: false, ..HecSettings::default() };
    let off = House::with(Settings { hec: hec_off, ..Settings::default() });
    assert_eq!(code_of(&ask(&off, "{\"acks\":[0]}")), (400, 14));
}

#[test]
fn the_collector_is_healthy_for_anybody() {
    let house = House::new();
    for path in ["/services/collector/health", "/services/collector/health/1.0"] {
        let (_, answer) = house.take(Request::get(path).body(Vec::new()).unwrap());
        assert_eq!(code_of(&answer), (200, 17));
    }
    let knock = Request::options("/services/collector/event/1.0").body(Vec::new()).unwrap();
    assert_eq!(house.take(knock).1.status, 200);
}

// No room, in everybody's words.

#[test]
fn full_is_said_with_the_time_to_come_again() {
    let mut house = House::new();
    house.refusal = Some(Refusal::Full { retry_after: 7 });
    let bulk = "{\"index\":{\"_index\":\"a\"}}\n{}\n";
    let requests = [
        (hec("/services/collector").body(body("{\"event\":1}")).unwrap(), 503),
        (post("/api/v1/ingest").body(body("a")).unwrap(), 429),
        (post("/_bulk").body(body(bulk)).unwrap(), 429),
        (post("/logpush").body(body("{}")).unwrap(), 429),
        (post("/v1/logs").body(otlp()).unwrap(), 503),
    ];
    for (request, status) in requests {
        let uri = request.uri().clone();
        let (deliver, answer) = house.take(request);
        assert!(deliver.is_none());
        assert_eq!(answer.status, status, "{uri}");
        assert_eq!(answer.headers["retry-after"], "7", "{uri}");
    }
    let (_, answer) = house.take(grpc(&otlp(), None));
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["grpc-status"]),
        (200, &"14".parse().unwrap())
    );
    assert!(answer.headers.contains_key("grpc-status-details-bin"));
    assert_eq!((answer.body.len(), answer.trailers), (0, None));
}

// Bodies.

#[test]
fn bodies_are_decoded_whatever_their_encoding() {
    let house = House::new();
    let text = "line\n".repeat(5_000);
    let zlib = {
        let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(text.as_bytes()).unwrap();
        out.finish().unwrap()
    };
    let deflate = {
        let mut out = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(text.as_bytes()).unwrap();
        out.finish().unwrap()
    };
    let zstd = zstd::encode_all(text.as_bytes(), 3).unwrap();
    let two = [gzip(&text.as_bytes()[..100]), gzip(&text.as_bytes()[100..])].concat();
    for (encoding, bytes) in [
        ("identity", text.clone().into_bytes()),
        ("gzip", gzip(text.as_bytes())),
        ("GZIP", two),
        ("deflate", zlib),
        ("deflate", deflate),
        ("zstd", zstd),
    ] {
        let cut = bytes[..bytes.len() - 9].to_vec();
        let send = |bytes| {
            house.take(
                post("/api/v1/ingest").header("content-encoding", encoding).body(bytes).unwrap(),
            )
        };
        let (deliver, answer) = send(bytes);
        assert_eq!(answer.status, 200, "{encoding}");
        assert!(deliver.unwrap().body == text.as_bytes(), "{encoding}");
        if encoding != "identity" {
            let (deliver, answer) = send(cut);
            assert_eq!((deliver, answer.status.as_u16()), (None, 400), "{encoding}");
        }
    }
    let odd = post("/api/v1/ingest").header("content-encoding", "br").body(body("x")).unwrap();
    assert_eq!(house.take(odd).1.status, 415);
    let none = post("/services/collector").header("content-encoding", "gzip");
    let none = none.header("authorization", "x").body(Vec::new()).unwrap();
    assert_eq!(house.take(none).1.status, 401);
}

#[test]
fn a_bomb_is_refused_in_bounded_memory() {
    let limits = BodyLimits { sent: 1 << 20, decoded: 8 << 20, ratio: 100, ratio_from: 1 << 20 };
    let house = House::with(Settings { limits, ..Settings::default() });
    let zeros = vec![0; 64 << 20];
    let zstd = zstd::encode_all(zeros.as_slice(), 3).unwrap();
    for (encoding, bytes) in [("gzip", gzip(&zeros)), ("zstd", zstd)] {
        let mut decoder = collect::http::Decoder::new(Some(encoding.as_bytes()), limits).unwrap();
        assert!(decoder.push(&bytes).is_err(), "{encoding}");
        let request = post("/api/v1/ingest").header("content-encoding", encoding);
        let (deliver, answer) = house.take(request.body(bytes).unwrap());
        assert_eq!((deliver, answer.status.as_u16()), (None, 413), "{encoding}");
    }
    let (_, answer) = house.take(post("/_bulk").body(vec![b'x'; (1 << 20) + 1]).unwrap());
    assert_eq!(answer.status, 413);
    assert_eq!(json_of(&answer)["status"], 413);
}

#[test]
fn the_house_takes_anything_and_names_what_it_kept() {
    let house = House::new();
    let uri = "/api/v1/ingest?format=syslog&host=h&host=i&odd=1";
    let (deliver, answer) = house.take(post(uri).body(body("<34>a")).unwrap());
    let deliver = deliver.unwrap();
    assert_eq!(deliver.format, Some("syslog"));
    assert_eq!(deliver.metadata, [("host".to_owned(), "h".to_owned())]);
    assert_eq!(json_of(&answer), json!({"position": 41}));
    let own = Request::post("/api/v1/ingest").header("x-watchfloor-token", TOKEN);
    assert!(house.take(own.body(body("a")).unwrap()).0.is_some());
    for (uri, text, status) in
        [("/api/v1/ingest?format=../x", "a", 400), ("/api/v1/ingest", " ", 400)]
    {
        assert_eq!(house.take(post(uri).body(body(text)).unwrap()).1.status, status, "{uri}");
    }
    let get = Request::get("/api/v1/ingest").body(Vec::new()).unwrap();
    let refused = house.take(get).1;
    assert_eq!(refused.status, 405);
    assert_eq!(refused.headers["allow"], "POST", "what it takes stands beside it");
    let (_, answer) = house.take(Request::post("/api/v1/ingest").body(body("a")).unwrap());
    assert_eq!(answer.status, 401);
    assert!(answer.headers.contains_key("www-authenticate"));
}

#[test]
fn the_try_of_logpush_is_accepted_and_no_event() {
    let house = House::new();
    let send = |uri: &str, text: &str| {
        let request = post(uri).header("content-encoding", "gzip");
        house.take(request.body(gzip(text.as_bytes())).unwrap())
    };
    let (deliver, answer) = send("/logpush", "{\"content\":\"tests\"}\n");
    assert_eq!((deliver, answer.status.as_u16()), (None, 200));
    let line = "{\"ClientIP\":\"203.0.113.9\",\"content\":\"tests\"}\n";
    let (deliver, answer) = send("/logpush/http_requests", line);
    let deliver = deliver.unwrap();
    assert_eq!((deliver.format, answer.status.as_u16()), (Some("json"), 200));
    assert_eq!(deliver.metadata, [("dataset".to_owned(), "http_requests".to_owned())]);
    // The secret may stand in the destination's query.
    let with_token = Request::post(format!("/logpush?token={TOKEN}"));
    assert!(house.take(with_token.body(body(line)).unwrap()).0.is_some());
    let without = Request::post("/logpush").body(body(line)).unwrap();
    assert_eq!(house.take(without).1.status, 401);
}

// Elasticsearch.

#[test]
fn each_item_of_a_bulk_has_its_answer() {
    let house = House::new();
    let text = "{\"create\":{\"_index\":\"a\"}}\n{\"n\":1}\n{\"index\":{\"_id\":\"x\"}}\n{\"n\":2}\n\
        {\"delete\":{\"_id\":\"y\"}}\n{\"update\":{\"_id\":\"z\"}}\n{\"doc\":{}}\n{\"create\":{}}\n{\"n\":\n";
    let (deliver, answer) = house.take(post("/logs-x/_bulk").body(body(text)).unwrap());
    let deliver = deliver.unwrap();
    assert_eq!((deliver.format, deliver.body), (Some("bulk"), body(text).into()));
    let told = json_of(&answer);
    assert_eq!(told["errors"], true);
    let statuses: Vec<_> = told["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let (action, told) = item.as_object().unwrap().iter().next().unwrap();
            (action.as_str(), told["_index"].as_str().unwrap(), told["status"].as_u64().unwrap())
        })
        .collect();
    let expected = [
        ("create", "a", 201),
        ("index", "logs-x", 201),
        ("delete", "logs-x", 400),
        ("update", "logs-x", 400),
        ("create", "logs-x", 400),
    ];
    assert_eq!(statuses, expected);
    assert_eq!(told["items"][1]["index"]["_id"], "x");
    assert_eq!(answer.headers["x-elastic-product"], "Elasticsearch");

    // All is well, and briefly.
    let text = "{\"create\":{\"_index\":\"a\"}}\n{\"n\":1}\n";
    let (_, answer) = house.take(post("/_bulk?filter_path=errors").body(body(text)).unwrap());
    let told = json_of(&answer);
    assert_eq!(
        (&told["errors"], &told["items"][0]),
        (&json!(false), &json!({"create": {"status": 201}}))
    );
    // Nothing of it can be taken.
    let (deliver, answer) = house.take(post("/_bulk").body(body("{\"delete\":{}}\n")).unwrap());
    assert_eq!((deliver, answer.status.as_u16()), (None, 200));
    let many = "{\"index\":{}}\n{}\n".repeat(200_001);
    assert_eq!(house.take(post("/_bulk").body(body(&many)).unwrap()).1.status, 413);
    for text in ["nothing\n", "{\"create\":{}}\n", "{\"a\":{}}\n{}\n", " "] {
        let (deliver, answer) = house.take(post("/_bulk").body(body(text)).unwrap());
        assert_eq!((deliver, answer.status.as_u16()), (None, 400), "{text}");
    }
}

#[test]
fn what_shippers_ask_before_they_begin() {
    let house = House::new();
    let ask = |method: &str, uri: &str| {
        let request = Request::builder().method(method).uri(uri);
        let request = request.header("authorization", format!("ApiKey {TOKEN}"));
        house.take(request.body(Vec::new()).unwrap()).1
    };
    let root = json_of(&ask("GET", "/"));
    assert_eq!(root["tagline"], "You Know, for Search");
    assert!(root["version"]["number"].as_str().unwrap().starts_with('8'));
    assert_eq!(ask("HEAD", "/").body.len(), 0);
    assert_eq!(json_of(&ask("GET", "/_license?human=false"))["license"]["status"], "active");
    assert_eq!(json_of(&ask("GET", "/_cluster/health"))["status"], "green");
    for (method, uri) in [
        ("GET", "/_xpack"),
        ("GET", "/_ilm/policy/filebeat"),
        ("PUT", "/_ilm/policy/filebeat"),
        ("HEAD", "/_index_template/filebeat-8.17.0"),
        ("PUT", "/_index_template/filebeat-8.17.0"),
        ("GET", "/_data_stream/filebeat-8.17.0"),
        ("PUT", "/_data_stream/filebeat-8.17.0"),
        ("GET", "/_cat/templates/filebeat-8.17.0"),
        ("PUT", "/_ingest/pipeline/filebeat-8.17.0-x"),
        ("GET", "/_nodes/ingest"),
        ("HEAD", "/logs-x"),
        ("PUT", "/logs-x"),
    ] {
        let answer = ask(method, uri);
        assert_eq!(answer.status, 200, "{method} {uri}");
        assert_eq!(answer.headers["x-elastic-product"], "Elasticsearch", "{method} {uri}");
    }
    let (_, answer) = house.take(Request::get("/").body(Vec::new()).unwrap());
    assert_eq!(
        (answer.status.as_u16(), &json_of(&answer)["error"]["type"]),
        (401, &json!("security_exception"))
    );
    // A browser, and what is not of this API, is somebody else's.
    for request in [
        Request::get("/").header("accept", "text/html,*/*").body(()).unwrap(),
        Request::get("/index.html").body(()).unwrap(),
        Request::get("/_search").body(()).unwrap(),
        Request::get("/alerts").body(()).unwrap(),
        Request::post("/_security/_bulk").body(()).unwrap(),
        Request::put("/_all").header("accept", "text/html").body(()).unwrap(),
        Request::post("/services/collector/nothing").body(()).unwrap(),
        Request::post("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
            .body(())
            .unwrap(),
    ] {
        let (parts, ()) = request.into_parts();
        assert!(matches!(house.reception.open(&parts), Opening::Elsewhere), "{}", parts.uri);
    }
}

#[test]
fn a_document_by_itself_and_the_media_type_of_clients() {
    let house = House::new();
    let request = post("/logs-x/_doc")
        .header("accept", "application/vnd.elasticsearch+json; compatible-with=9");
    let (deliver, answer) = house.take(request.body(body("{\"n\":1}")).unwrap());
    assert_eq!((deliver.unwrap().format, answer.status.as_u16()), (Some("json"), 201));
    assert_eq!(json_of(&answer)["result"], "created");
    let media_type = "application/vnd.elasticsearch+json;compatible-with=9";
    assert_eq!(answer.headers["content-type"], media_type);
    let (deliver, answer) = house.take(post("/logs-x/_doc").body(body("[1]")).unwrap());
    assert_eq!((deliver, answer.status.as_u16()), (None, 400));
}

// OpenTelemetry.

/// A request of one log record whose body is `hi`.
fn otlp() -> Vec<u8> {
    let record = [0x2A, 4, 0x0A, 2, b'h', b'i'];
    let scope = [&[0x12, record.len() as u8][..], &record].concat();
    let resource = [&[0x12, scope.len() as u8][..], &scope].concat();
    [&[0x0A, resource.len() as u8][..], &resource].concat()
}

fn frame(message: &[u8], compressed: u8) -> Vec<u8> {
    [&[compressed][..], &(message.len() as u32).to_be_bytes(), message].concat()
}

fn grpc(message: &[u8], encoding: Option<&str>) -> Request<Vec<u8>> {
    let request = post("/opentelemetry.proto.collector.logs.v1.LogsService/Export")
        .header("content-type", "application/grpc+proto");
    let request = match encoding {
        Some(encoding) => request.header("grpc-encoding", encoding),
        None => request,
    };
    request.body(frame(message, u8::from(encoding.is_some()))).unwrap()
}

#[test]
fn otlp_over_http() {
    let house = House::new();
    let request = post("/v1/logs").header("content-type", "application/x-protobuf");
    let (deliver, answer) = house.take(request.body(otlp()).unwrap());
    let deliver = deliver.unwrap();
    assert_eq!((deliver.format, deliver.body), (Some("otlp"), otlp().into()));
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
    assert_eq!(answer.headers["content-type"], "application/x-protobuf");

    // Cut off behind the first record: kept, and the sender is warned.
    let two = [otlp(), otlp()].concat();
    let cut = post("/v1/logs").body(two[..two.len() - 1].to_vec()).unwrap();
    let (deliver, answer) = house.take(cut);
    assert!(deliver.is_some() && answer.status == 200);
    assert!(String::from_utf8_lossy(&answer.body).contains("from byte"));

    let json = |text: &str| {
        let request = post("/v1/logs").header("content-type", "application/json; charset=utf-8");
        house.take(request.body(body(text)).unwrap())
    };
    let text =
        r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"a"}}]}]}]}"#;
    let (deliver, answer) = json(text);
    assert_eq!((deliver.unwrap().body, json_of(&answer)), (body(text).into(), json!({})));
    assert_eq!(json("{}").0, None);
    for text in ["", "[1]", "{\"resourceLogs\":{}}", "{"] {
        let (deliver, answer) = json(text);
        assert_eq!((deliver, answer.status.as_u16()), (None, 400), "{text}");
        assert_eq!(json_of(&answer)["code"], 3, "{text}");
    }
    let (deliver, answer) = house.take(post("/v1/logs").body(body("<34>text")).unwrap());
    assert_eq!(
        (deliver, answer.status.as_u16(), answer.body[..2].to_vec()),
        (None, 400, vec![8, 3])
    );
}

#[test]
fn otlp_over_grpc() {
    let house = House::new();
    for request in [
        grpc(&otlp(), None),
        grpc(&gzip(&otlp()), Some("gzip")),
        grpc(&zstd::encode_all(otlp().as_slice(), 1).unwrap(), Some("zstd")),
    ] {
        let (deliver, answer) = house.take(request);
        assert_eq!(deliver.unwrap().body, otlp());
        assert_eq!((answer.status.as_u16(), answer.body), (200, frame(b"", 0)));
        assert_eq!(answer.trailers.unwrap()["grpc-status"], "0");
    }
    let status = |request| {
        let (deliver, answer) = house.take(request);
        assert_eq!((deliver, answer.status.as_u16(), answer.body.len()), (None, 200, 0));
        answer.headers["grpc-status"].to_str().unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(status(grpc(b"no protobuf", None)), 3);
    assert_eq!(status(grpc(&otlp(), Some("snappy"))), 12);
    let mut short = grpc(&otlp(), None);
    short.body_mut().pop();
    assert_eq!(status(short), 3);
    let mut stranger = grpc(&otlp(), None);
    stranger.headers_mut().insert("authorization", "Bearer x".parse().unwrap());
    assert_eq!(status(stranger), 16);
    let bomb = gzip(&vec![0; 64 << 20]);
    assert_eq!(status(grpc(&bomb, Some("gzip"))), 8);
}

#[test]
fn each_protocol_says_what_it_is_and_where() {
    let mut names: Vec<_> = collect::http::PROTOCOLS.iter().map(|p| p.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), collect::http::PROTOCOLS.len());
    let mut doors = Vec::new();
    for protocol in collect::http::PROTOCOLS {
        assert!(!protocol.about().is_empty() && !protocol.doors().is_empty());
        for door in protocol.doors() {
            assert!(door.path.starts_with('/'), "{door:?}");
            assert!(!doors.contains(door), "{door:?} twice");
            doors.push(*door);
        }
    }
}
