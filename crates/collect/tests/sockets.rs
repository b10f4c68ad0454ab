//! Receivers and senders that do what they should not.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use collect::sockets::{Limits, Listen, Listener, Protocol, Sender, Senders};
use collect::wal::Wal;
use collect::{Delivery, Full, Intake, Offer, Receipt, Refusal, Tag};
use common::{Arrivals, PATIENCE, eventually, listen, start};
use model::FlawKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Notify;
use tokio::time::timeout;

/// An intake that refuses, or answers late, until it is opened.
#[derive(Clone)]
struct Gate(Arc<Inner>);

struct Inner {
    wal: Wal,
    open: AtomicBool,
    /// Waits for the gate instead of refusing.
    slow: bool,
    opened: Notify,
    offers: AtomicUsize,
}

impl Gate {
    fn new(wal: &Wal, slow: bool) -> Self {
        let (open, offers) = (AtomicBool::new(false), AtomicUsize::new(0));
        Self(Arc::new(Inner { wal: wal.clone(), open, slow, opened: Notify::new(), offers }))
    }

    fn open(&self) {
        self.0.open.store(true, SeqCst);
        self.0.opened.notify_waiters();
    }

    fn offers(&self) -> usize {
        self.0.offers.load(SeqCst)
    }

    async fn answer(&self, delivery: Delivery) -> Result<Receipt, Refusal> {
        let opened = self.0.opened.notified();
        tokio::pin!(opened);
        opened.as_mut().enable();
        self.0.offers.fetch_add(1, SeqCst);
        if !self.0.open.load(SeqCst) {
            if !self.0.slow {
                let retry_after = Duration::from_millis(20);
                return Err(Refusal::Full { what: Full::Quota, retry_after });
            }
            opened.await;
        }
        self.0.wal.append(delivery).await
    }
}

impl Intake for Gate {
    fn offer(&self, delivery: Delivery) -> Offer<'_> {
        Box::pin(self.answer(delivery))
    }
}

async fn connect(listener: &Listener) -> TcpStream {
    TcpStream::connect(listener.address()).await.unwrap()
}

/// Everything that a peer says until it closes.
async fn hear(stream: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    // A reset is an end as well.
    let ended = timeout(PATIENCE, stream.read_to_end(&mut heard)).await;
    assert!(ended.is_ok(), "it never closes");
    String::from_utf8(heard).unwrap()
}

async fn udp_to(listener: &Listener) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(listener.address()).await.unwrap();
    socket
}

const FORGED: &str = "<34>1 2026-03-01T10:00:00Z h su - - - forged";

#[tokio::test]
async fn tcp_reads_every_framing_and_no_message_makes_two() {
    let folder = common::folder();
    let wal = common::wal(folder.path());
    let listener = start(listen(Protocol::SyslogTcp), wal.clone()).await;
    let mut arrivals = Arrivals::of(&wal);
    let lined = format!("<13>Mar  1 10:00:00 h app: one\n{FORGED}");
    let bare = format!("no priority\n{} {FORGED}", FORGED.len());
    let mut stream = connect(&listener).await;
    let sent = [
        "<13>Mar  1 10:00:00 h app[1]: a line\n<13>Mar  1 10:00:01 h app: with CR\r\n".to_owned(),
        "<13>Mar  1 10:00:02 h app: NUL\0<13>Mar  1 10:00:02 h app: ä\n".to_owned(),
        "Mar  1 10:00:03 h app: no priority\n12 monkeys\n".to_owned(),
        format!("{} {lined}{} {bare}", lined.len(), bare.len()),
        "<13>Mar  1 10:00:09 h app: no end".to_owned(),
    ];
    for part in &sent {
        stream.write_all(part.as_bytes()).await.unwrap();
    }
    stream.shutdown().await.unwrap();
    arrivals.count(9).await;
    let whole = [
        "<13>Mar  1 10:00:00 h app[1]: a line",
        "<13>Mar  1 10:00:01 h app: with CR",
        "<13>Mar  1 10:00:02 h app: NUL",
        "<13>Mar  1 10:00:02 h app: ä",
        "Mar  1 10:00:03 h app: no priority",
        "12 monkeys",
        &lined,
        &bare,
        "<13>Mar  1 10:00:09 h app: no end",
    ];
    assert_eq!(arrivals.raws(), whole);
    let origin = format!("syslog tcp {}", stream.local_addr().unwrap());
    assert!(arrivals.messages.iter().all(|message| message.origin == origin));
    // Without a priority in front of all others, the counts are believed all the same.
    let socket = connect(&listener).await;
    drop(socket);
    let stats = listener.shutdown(PATIENCE).await;
    assert_eq!((stats.messages, stats.dropped, stats.open), (9, 0, 0));
}

#[tokio::test]
async fn a_datagram_is_one_message_whatever_is_in_it() {
    let folder = common::folder();
    let wal = common::wal(folder.path());
    let listener = start(listen(Protocol::SyslogUdp), wal.clone()).await;
    let mut arrivals = Arrivals::of(&wal);
    let socket = udp_to(&listener).await;
    let sent = [
        format!("no priority\n{FORGED}\n{} {FORGED}", FORGED.len()),
        format!("<13>one\n{FORGED}\r\n"),
        "\n".to_owned(),
        "x".to_owned(),
    ];
    for message in &sent {
        socket.send(message.as_bytes()).await.unwrap();
    }
    arrivals.count(3).await;
    assert_eq!(arrivals.raws(), [sent[0].as_str(), sent[1].trim_end(), "x"]);
    assert_eq!(arrivals.messages[0].origin, "syslog udp 127.0.0.1");
    let stats = listener.shutdown(PATIENCE).await;
    assert_eq!(stats.peers.len(), 1);
    assert_eq!(stats.peers[0].messages, 3);
}

#[tokio::test]
async fn what_is_too_long_is_cut_and_said() {
    let folder = common::folder();
    let wal = common::wal(folder.path());
    let long = format!("<13>Mar  1 10:00:00 h app: {}", "x".repeat(2 << 20));
    for protocol in [Protocol::SyslogTcp, Protocol::Relp] {
        let listener = start(listen(protocol), wal.clone()).await;
        let mut arrivals = Arrivals::of(&wal);
        let mut stream = connect(&listener).await;
        if protocol == Protocol::Relp {
            let frame =
                format!("1 open 30 relp_version=0\ncommands=syslog\n2 syslog {} ", long.len());
            stream.write_all(frame.as_bytes()).await.unwrap();
        }
        stream.write_all(long.as_bytes()).await.unwrap();
        stream.write_all(b"\n").await.unwrap();
        let origin = format!("{}", stream.local_addr().unwrap());
        arrivals.until(|a| a.deliveries.iter().any(|d| d.origin.contains(&origin))).await;
        let delivery = arrivals.deliveries.last().unwrap();
        let read = common::messages(delivery);
        assert_eq!(read[0].raw, long[..1 << 20], "{protocol:?}");
        assert_eq!((delivery.flaws.len(), delivery.flaws[0].kind), (1, FlawKind::Limit));
        assert_eq!(listener.shutdown(PATIENCE).await.flaws, 1);
    }
}

#[tokio::test]
async fn who_is_refused_waits_and_loses_nothing() {
    let folder = common::folder();
    let wal = common::wal(folder.path());
    let gate = Gate::new(&wal, false);
    let limits = Limits { delivery: 64 << 10, ..Limits::default() };
    let listener = start(Listen { limits, ..listen(Protocol::SyslogTcp) }, gate.clone()).await;
    let mut stream = connect(&listener).await;
    let count = 40_000;
    let sending = tokio::spawn(async move {
        for number in 0..count {
            let text = format!("<13>Mar  1 10:00:00 h app: {number} {}\n", "x".repeat(200));
            stream.write_all(text.as_bytes()).await.unwrap();
        }
        stream.shutdown().await.unwrap();
    });
    eventually("it is refused", || listener.stats().refused >= 3).await;
    let read = listener.stats().bytes;
    assert!(read < 1 << 20, "{read} bytes were read of a peer that must wait");
    assert!(!sending.is_finished());
    assert_eq!(listener.stats().deliveries, 0);
    gate.open();
    let mut arrivals = Arrivals::of(&wal);
    arrivals.count(count).await;
    for (number, message) in arrivals.messages.iter().enumerate() {
        assert_eq!(message.text.split(' ').next().unwrap(), number.to_string());
    }
    sending.await.unwrap();
    assert_eq!(listener.shutdown(PATIENCE).await.dropped, 0);
}

#[tokio::test]
async fn relp_answers_what_is_on_the_disk_and_nothing_else() {
    let folder = common::folder();
    let wal = common::wal(folder.path());
    let gate = Gate::new(&wal, true);
    let listener = start(listen(Protocol::Relp), gate.clone()).await;
    let mut stream = connect(&listener).await;
    let offers = "relp_version=0\nrelp_software=x\ncommands=syslog,eventlog";
    let open = format!("1 open {} {offers}\n", offers.len());
    stream.write_all(open.as_bytes()).await.unwrap();
    let opened = "1 rsp 62 200 OK\nrelp_version=0\nrelp_software=watchfloor\ncommands=syslog\n";
    let mut answer = vec![0; opened.len()];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), opened);
    stream.write_all(b"2 syslog 9 <13>one\nx\n3 syslog 7 <13>two\n").await.unwrap();
    eventually("it is offered", || gate.offers() > 0).await;
    let early = stream.try_read(&mut answer);
    assert!(early.is_err(), "answered before it was on the disk");
    gate.open();
    stream.write_all(b"4 frob 0\n5 syslog 0\n6 close 0\n").await.unwrap();
    let heard = hear(&mut stream).await;
    assert!(
        heard.ends_with(
            "2 rsp 6 200 OK\n3 rsp 6 200 OK\n4 rsp 34 500 this command is not known here\n\
             5 rsp 6 200 OK\n6 rsp 0\n0 serverclose 0\n"
        ),
        "{heard}"
    );
    let mut arrivals = Arrivals::of(&wal);
    arrivals.count(2).await;
    assert_eq!(arrivals.raws(), ["<13>one\nx", "<13>two"]);
    let stats = listener.shutdown(PATIENCE).await;
    assert_eq!((stats.messages, stats.flaws, stats.connections), (2, 0, 1));
}

#[tokio::test]
async fn relp_that_was_not_answered_is_not_taken_when_its_sender_goes() {
    let folder = common::folder();
    let wal = common::wal(folder.path());
    let gate = Gate::new(&wal, false);
    let listener = start(listen(Protocol::Relp), gate.clone()).await;
    let mut stream = connect(&listener).await;
    stream
        .write_all(b"1 open 30 relp_version=1\ncommands=syslog\n2 syslog 7 <13>one\n")
        .await
        .unwrap();
    eventually("it is refused", || listener.stats().refused > 0).await;
    drop(stream);
    eventually("the session ends", || listener.stats().open == 0).await;
    gate.open();
    let stats = listener.shutdown(PATIENCE).await;
    assert_eq!((stats.deliveries, stats.dropped), (0, 0), "its sender has it and sends it again");
}

#[tokio::test]
async fn relp_that_is_none_ends_the_session() {
    let folder = common::folder();
    let wal = common::wal(folder.path());
    let listener = start(listen(Protocol::Relp), wal.clone()).await;
    for (sent, heard) in [
        ("GET / HTTP/1.1\r\n\r\n", ""),
        ("1 syslog 4 <1>x\n", "500 the session"),
        ("1 open 15 commands=syslog\n", "500 no relp_version"),
        (
            "1 open 30 relp_version=1\ncommands=syslog\n2 syslog 7 <13>one\nnonsense\n",
            "2 rsp 6 200 OK",
        ),
    ] {
        let mut stream = connect(&listener).await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        let answer = hear(&mut stream).await;
        assert!(answer.contains(heard), "{sent}: {answer}");
    }
    let mut arrivals = Arrivals::of(&wal);
    arrivals.count(1).await;
    assert_eq!(listener.shutdown(PATIENCE).await.messages, 1);
}

#[tokio::test]
async fn connections_are_counted_and_those_that_stall_end() {
    let folder = common::folder();
    let wal = common::wal(folder.path());
    let limits = Limits {
        per_address: 2,
        idle: Duration::from_millis(300),
        stalled: Duration::from_millis(100),
        ..Limits::default()
    };
    let listener = start(Listen { limits, ..listen(Protocol::SyslogTcp) }, wal.clone()).await;
    let mut silent = connect(&listener).await;
    let mut half = connect(&listener).await;
    eventually("both are in", || listener.stats().open == 2).await;
    let mut third = connect(&listener).await;
    assert_eq!(hear(&mut third).await, "");
    assert_eq!(listener.stats().turned_away, 1);
    half.write_all(b"<13>half a mess").await.unwrap();
    hear(&mut half).await;
    hear(&mut silent).await;
    let mut arrivals = Arrivals::of(&wal);
    arrivals.count(1).await;
    assert_eq!(arrivals.raws(), ["<13>half a mess"], "what came of it stands");
    // Their places are free again.
    eventually("they are out", || listener.stats().open == 0).await;
    let mut fourth = connect(&listener).await;
    fourth.write_all(b"<13>whole\n").await.unwrap();
    arrivals.count(2).await;
}

#[tokio::test]
async fn senders_are_known_by_their_address_and_others_are_turned_away() {
    let folder = common::folder();
    let wal = common::wal(folder.path());
    let tags = [Tag { name: "site".into(), value: "Basel".into() }];
    let sender = Sender {
        definition: Some("cisco_ios".into()),
        tags: tags.clone().into(),
        ..Sender::named("router")
    };
    let known = collect::sockets::Known::Network("127.0.0.2/32".parse().unwrap());
    let senders = Senders { known: vec![(known, sender)], others: None };
    let tcp = Listen { senders: senders.clone(), ..listen(Protocol::SyslogTcp) };
    let udp = Listen { senders, ..listen(Protocol::SyslogUdp) };
    let tcp = start(tcp, wal.clone()).await;
    let udp = start(udp, wal.clone()).await;
    for from in ["127.0.0.1:0", "127.0.0.2:0"] {
        let from: SocketAddr = from.parse().unwrap();
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(from).unwrap();
        let mut stream = socket.connect(tcp.address()).await.unwrap();
        let _may_be_closed = stream.write_all(b"<13>tcp\n").await;
        let socket = UdpSocket::bind(from).await.unwrap();
        socket.send_to(b"<13>udp", udp.address()).await.unwrap();
    }
    let mut arrivals = Arrivals::of(&wal);
    arrivals.count(2).await;
    for delivery in &arrivals.deliveries {
        assert_eq!(&*delivery.sender, "router");
        assert_eq!(delivery.definition.as_deref(), Some("cisco_ios"));
        assert_eq!(*delivery.tags, tags);
        assert!(delivery.origin.contains("127.0.0.2"), "{}", delivery.origin);
    }
    eventually("it is dropped", || udp.stats().dropped == 1).await;
    assert_eq!(tcp.shutdown(PATIENCE).await.turned_away, 1);
    assert_eq!(udp.shutdown(PATIENCE).await.messages, 1);
}

/// Somebody who may deliver a message a second.
fn slow() -> Senders {
    Senders::all(Sender { rate_limit: Some(1), ..Sender::named("slow") })
}

#[tokio::test]
async fn who_delivers_more_than_it_may_waits_where_it_can_be_made_to() {
    let folder = common::folder();
    let wal = common::wal(folder.path());
    let tcp = start(Listen { senders: slow(), ..listen(Protocol::SyslogTcp) }, wal.clone()).await;
    let relp = start(Listen { senders: slow(), ..listen(Protocol::Relp) }, wal.clone()).await;
    let udp = start(Listen { senders: slow(), ..listen(Protocol::SyslogUdp) }, wal.clone()).await;
    let mut arrivals = Arrivals::of(&wal);
    // So many at once are paid for afterwards, for longer than this test takes.
    let mut lines = connect(&tcp).await;
    lines.write_all("<13>x\n".repeat(2000).as_bytes()).await.unwrap();
    eventually("they are read", || tcp.stats().messages > 0).await;
    lines.write_all(b"<13>later\n").await.unwrap();
    eventually("it is held back", || tcp.stats().over_limit > 0).await;
    assert_eq!(tcp.stats().deliveries, 1);
    let mut session = connect(&relp).await;
    session.write_all(b"1 open 30 relp_version=1\ncommands=syslog\n").await.unwrap();
    let frames: Vec<_> = (2..2002).map(|n| format!("{n} syslog 5 <13>x\n")).collect();
    session.write_all(frames.concat().as_bytes()).await.unwrap();
    eventually("they are read", || relp.stats().messages > 0).await;
    session.write_all(b"2002 syslog 9 <13>later\n").await.unwrap();
    eventually("it is held back", || relp.stats().over_limit > 0).await;
    assert_eq!(relp.stats().deliveries, 1);
    let (datagrams, mut sent) = (udp_to(&udp).await, 0);
    while udp.stats().over_limit == 0 {
        assert!(sent < 10_000, "all are taken");
        sent += 1;
        datagrams.send(b"<13>udp").await.unwrap();
        eventually("it is read", || udp.stats().messages == sent).await;
    }
    // A stop does not wait for allowances, and loses nothing by it.
    let (tcp, relp, udp) =
        tokio::join!(tcp.shutdown(PATIENCE), relp.shutdown(PATIENCE), udp.shutdown(PATIENCE));
    assert_eq!((tcp.messages, tcp.dropped), (2001, 0), "{tcp:?}");
    assert_eq!((relp.messages, relp.dropped), (2001, 0), "{relp:?}");
    assert_eq!((udp.messages, udp.dropped), (sent, udp.over_limit), "{udp:?}");
    assert!(hear(&mut session).await.ends_with("2002 rsp 6 200 OK\n0 serverclose 0\n"));
    let taken = (tcp.messages + relp.messages + udp.messages - udp.dropped) as usize;
    assert_eq!(arrivals.count(taken).await.len(), taken);
}

#[tokio::test]
async fn what_is_said_of_a_sender_holds_for_connections_that_are_open() {
    let folder = common::folder();
    let wal = common::wal(folder.path());
    let tcp = start(listen(Protocol::SyslogTcp), wal.clone()).await;
    let relp = start(listen(Protocol::Relp), wal.clone()).await;
    let mut arrivals = Arrivals::of(&wal);
    let mut lines = connect(&tcp).await;
    let mut session = connect(&relp).await;
    lines.write_all(b"<13>before\n").await.unwrap();
    session.write_all(b"1 open 30 relp_version=1\ncommands=syslog\n").await.unwrap();
    session.write_all(b"2 syslog 10 <13>before\n").await.unwrap();
    arrivals.count(2).await;
    let network = collect::sockets::Known::Network("127.0.0.0/8".parse().unwrap());
    let tags = [Tag { name: "site".into(), value: "Basel".into() }];
    let sender = Sender { tags: tags.clone().into(), ..Sender::named("here") };
    let known = |enabled| Senders {
        known: vec![(network.clone(), Sender { enabled, ..sender.clone() })],
        others: None,
    };
    tcp.know(known(true));
    lines.write_all(b"<13>after\n").await.unwrap();
    arrivals.count(3).await;
    let told: Vec<_> = arrivals.deliveries.iter().map(|d| (&*d.sender, d.tags.len())).collect();
    assert_eq!(told, [("anybody", 0), ("anybody", 0), ("here", 1)]);
    tcp.know(known(false));
    relp.know(known(false));
    lines.write_all(b"<13>never\n").await.unwrap();
    session.write_all(b"3 syslog 9 <13>never\n").await.unwrap();
    hear(&mut lines).await;
    // It was not answered, so its sender still has it.
    assert!(!hear(&mut session).await.contains("3 rsp"));
    hear(&mut connect(&tcp).await).await;
    let (tcp, relp) = tokio::join!(tcp.shutdown(PATIENCE), relp.shutdown(PATIENCE));
    assert_eq!((tcp.messages, tcp.turned_away, tcp.dropped), (2, 2, 1), "{tcp:?}");
    assert_eq!((relp.messages, relp.turned_away, relp.dropped), (1, 1, 0), "{relp:?}");
}

#[tokio::test]
async fn a_shutdown_takes_in_what_was_sent() {
    let folder = common::folder();
    let wal = common::wal(folder.path());
    let tcp = start(listen(Protocol::SyslogTcp), wal.clone()).await;
    let udp = start(listen(Protocol::SyslogUdp), wal.clone()).await;
    let relp = start(listen(Protocol::Relp), wal.clone()).await;
    let mut lines = connect(&tcp).await;
    let mut session = connect(&relp).await;
    let datagrams = udp_to(&udp).await;
    session.write_all(b"1 open 30 relp_version=1\ncommands=syslog\n").await.unwrap();
    for number in 0..300 {
        lines.write_all(format!("<13>tcp {number}\n").as_bytes()).await.unwrap();
        datagrams.send(format!("<13>udp {number}").as_bytes()).await.unwrap();
        let text = format!("<13>relp {number}");
        let frame = format!("{} syslog {} {text}\n", number + 2, text.len());
        session.write_all(frame.as_bytes()).await.unwrap();
    }
    // The connections stay open, as those of senders do.
    let (tcp, udp, relp) =
        tokio::join!(tcp.shutdown(PATIENCE), udp.shutdown(PATIENCE), relp.shutdown(PATIENCE));
    for stats in [tcp, udp, relp] {
        assert_eq!((stats.messages, stats.dropped, stats.open), (300, 0, 0), "{stats:?}");
    }
    let heard = hear(&mut session).await;
    assert!(heard.ends_with("301 rsp 6 200 OK\n0 serverclose 0\n"), "{heard}");
    drop(lines);
    assert_eq!(Arrivals::of(&wal).count(900).await.len(), 900);
}

#[tokio::test]
async fn a_shutdown_gives_up_in_time_and_says_what_is_lost() {
    let folder = common::folder();
    let wal = common::wal(folder.path());
    let gate = Gate::new(&wal, false);
    let tcp = start(listen(Protocol::SyslogTcp), gate.clone()).await;
    let udp = start(listen(Protocol::SyslogUdp), gate.clone()).await;
    let mut stream = connect(&tcp).await;
    stream.write_all(b"<13>one\n<13>two\n").await.unwrap();
    udp_to(&udp).await.send(b"<13>three").await.unwrap();
    eventually("both are refused", || tcp.stats().refused > 0 && udp.stats().refused > 0).await;
    let little = Duration::from_millis(100);
    assert_eq!(tcp.shutdown(little).await.dropped, 2);
    assert_eq!(udp.shutdown(little).await.dropped, 1);
}

#[tokio::test]
async fn what_the_kernel_drops_is_counted() {
    let folder = common::folder();
    let wal = common::wal(folder.path());
    let gate = Gate::new(&wal, true);
    let limits = Limits { receive_buffer: 8 << 10, delivery: 4 << 10, ..Limits::default() };
    let listener = start(Listen { limits, ..listen(Protocol::SyslogUdp) }, gate.clone()).await;
    assert!((1..1 << 20).contains(&listener.stats().receive_buffer));
    let socket = udp_to(&listener).await;
    let count = 500u64;
    for number in 0..count {
        socket.send(format!("<13>{number} {}", "x".repeat(300)).as_bytes()).await.unwrap();
    }
    eventually("some are dropped", || listener.stats().kernel_dropped > 0).await;
    gate.open();
    let stats = listener.shutdown(PATIENCE).await;
    assert!(stats.kernel_dropped > 0 && stats.messages > 0, "{stats:?}");
    assert_eq!(stats.kernel_dropped + stats.messages, count);
    assert_eq!(stats.dropped, 0);
}
