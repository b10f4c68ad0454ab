//! The whole of `serve`: opens the floor, listens, and closes it in order.

use std::net::SocketAddr;
use std::path::PathBuf;

use app::{Encryption, Failure, Floor, Kind, Opened, ServeOptions, SocketFiles};

use crate::pages::Page;
use crate::server::{ServerOptions, Tls, serve};

/// Serves until the process is asked to stop. Says where the floor is once it is open.
pub fn run(
    options: ServeOptions,
    pages: &[Page],
    said: &(dyn Fn(&Opened) + Sync),
) -> Result<(), Failure> {
    let runtime = app::runtime()?;
    runtime.block_on(async {
        let data = options.floor.data.clone();
        let floor = Floor::open(&options.content, options.floor).await?;
        let served = match floor.configure(options.config.as_deref()).await {
            Ok(fetches) => {
                let (listen, sockets) = (options.listen, options.sockets);
                let places = (listen, sockets.as_slice(), options.client_authority);
                let front = (options.encryption, pages);
                until_stopped(&floor, places, fetches, front, data, said).await
            }
            Err(failure) => Err(failure),
        };
        floor.close().await;
        served
    })
}

async fn until_stopped(
    floor: &Floor,
    (listen, sockets, client_authority): (SocketAddr, &[app::Socket], Option<PathBuf>),
    fetches: Vec<String>,
    (encryption, pages): (Encryption, &[Page]),
    data: PathBuf,
    said: &(dyn Fn(&Opened) + Sync),
) -> Result<(), Failure> {
    let first_link = floor.first_link().await?.map(|token| token.expose().to_owned());
    let status = floor.status();
    let shown = data.display().to_string();
    let tls = match encryption {
        Encryption::Off => Tls::Off,
        Encryption::SelfMade(mut names) => {
            names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
            Tls::SelfMade(names)
        }
        Encryption::Files { certificate, key } => Tls::Files { certificate, key },
    };
    let files = crate::tls::files(&tls, &data)
        .map_err(|e| Failure::new(Kind::System, format!("cannot make a certificate: {e}")))?;
    let for_sockets =
        files.clone().map(|(certificate, key)| SocketFiles { certificate, key, client_authority });
    let mut listening = Vec::with_capacity(sockets.len());
    for socket in sockets {
        listening.push((socket.kind.name(), floor.listen(*socket, for_sockets.as_ref()).await?));
    }
    let options = ServerOptions { listen, files, pages: pages.into() };
    let (bound, url) = tokio::sync::oneshot::channel();
    let bound = move |place: crate::server::Bound| drop(bound.send(place.url));
    let serving = serve(floor.clone(), options, bound, stopped());
    tokio::pin!(serving);
    let failed = |error: std::io::Error| {
        Failure::new(Kind::System, format!("cannot listen on {listen}: {error}"))
            .hint("name another address with --listen")
    };
    tokio::select! {
        ended = &mut serving => return ended.map_err(failed),
        url = url => if let Ok(url) = url {
            said(&Opened {
                url,
                sockets: listening,
                fetches,
                data: shown,
                rules: status.rules,
                problems: status.content_problems,
                first_link,
            });
        },
    }
    serving.await.map_err(failed)
}

/// Done when the process is asked to stop.
async fn stopped() {
    let interrupt = async { drop(tokio::signal::ctrl_c().await) };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}
