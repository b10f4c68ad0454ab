//! `watchfloor serve`: opens the floor and says where it is.

use std::fmt::Write as _;
use std::process::ExitCode;

use app::{
    Encryption, Failure, FloorOptions, Opened, RuleChoice, ServeOptions, Socket, SocketKind,
};
use model::inert;

use super::{print, print_json};
use crate::Ground;
use crate::args::Serve;
use crate::screen::Tone;

/// What serves: the web, which this room does not know.
pub type Door<'d> = &'d dyn Fn(ServeOptions, &(dyn Fn(&Opened) + Sync)) -> Result<(), Failure>;

pub(crate) fn run(ground: &Ground, args: Serve, door: Door<'_>) -> Result<ExitCode, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let encryption = match (args.plain, args.certificate, args.key) {
        (true, ..) => Encryption::Off,
        (false, Some(certificate), Some(key)) => Encryption::Files { certificate, key },
        _ => Encryption::SelfMade(args.name),
    };
    let kinds = [
        (SocketKind::SyslogUdp, args.syslog_udp),
        (SocketKind::SyslogTcp, args.syslog_tcp),
        (SocketKind::SyslogTls, args.syslog_tls),
        (SocketKind::Relp, args.relp),
        (SocketKind::RelpTls, args.relp_tls),
    ];
    let sockets = kinds.into_iter().flat_map(|(kind, addresses)| {
        addresses.into_iter().map(move |address| Socket { kind, address })
    });
    let options = ServeOptions {
        sockets: sockets.collect(),
        content: ground.content.clone(),
        floor: FloorOptions {
            data: args.data.data,
            ledger: args.ledger,
            rules: RuleChoice {
                paths: args.rules,
                only_paths: args.no_builtin_rules,
                ..RuleChoice::default()
            },
            content: ground.folder.clone(),
            threads: args.threads.unwrap_or(cores),
            log_bytes: args.log_gib.saturating_mul(1 << 30),
        },
        listen: args.listen,
        config: args.config,
        encryption,
        client_authority: args.client_authority,
    };
    door(options, &|opened| said(ground, opened))?;
    Ok(ExitCode::SUCCESS)
}

/// Says where the floor is, once it is open.
fn said(ground: &Ground, opened: &Opened) {
    let told = if ground.json {
        print_json(opened)
    } else {
        let bold = |text: &str| ground.screen.paint(Tone::Strong, text);
        let mut text = String::new();
        let _ = writeln!(text, "{} {}", bold("Open"), opened.url);
        let _ = writeln!(text, "  rules {}, data in {}", opened.rules, inert(&opened.data));
        for (kind, address) in &opened.sockets {
            let _ = writeln!(text, "  {kind} on {address}");
        }
        for fetched in &opened.fetches {
            let _ = writeln!(text, "  fetches {}", inert(fetched));
        }
        for problem in opened.problems.iter().take(10) {
            let mut lines = problem.lines().map(inert);
            let first = lines.next().unwrap_or_default();
            let left_out = ground.screen.paint(Tone::Warn, "left out:");
            let _ = writeln!(text, "  {left_out} {first}");
            for line in lines {
                let _ = writeln!(text, "    {line}");
            }
        }
        if let Some(link) = &opened.first_link {
            let _ = writeln!(
                text,
                "{} make the first admin in a browser, with this address, which works once and for a day:\n  \
                 {}/setup#{link}",
                bold("First start:"),
                opened.url
            );
        }
        let _ = writeln!(text, "Stop with Ctrl-C.");
        print(&text)
    };
    // Nobody reads what it says; it works all the same.
    drop(told);
}
