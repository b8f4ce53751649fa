//! Running a broker: settings, sockets, directory, recovery, and then its whole life until somebody ends it.

use crate::boot::{self, World};
use crate::brain::Outcome;
use crate::clock::{Clock, seed};
use crate::disk::Disk;
use crate::flags::{LogFormat, Serve};
use crate::home::Home;
use crate::http;
use crate::jobs::Jobs;
use crate::life::{self, Parts};
use crate::mail::{Mail, Mailbox};
use crate::net::{bind, every_interface};
use crate::seam::{TcpListener, spawn_local};
use crate::settings;
use crate::telemetry::{Telemetry, start_logging};
use crate::welcome;
use ottla_core::config::{Address, Config};
use std::io::{self, Write};
use std::net::TcpListener as StdListener;
use std::panic::resume_unwind;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::thread;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;
use tracing::{error, info, warn};

/// Runs a broker until it is told to stop. Exit codes: 0 after an orderly stop, 1 if it could not go on, 2 if it could
/// not be started as it was told.
pub fn run(flags: &Serve) -> ExitCode {
    if let Err(mistake) = start_logging(flags.log_format, &flags.log_level) {
        return refuse(&[mistake]);
    }
    let (config, notices) = match settings::gather(flags) {
        Ok(read) => read,
        Err(mistakes) => return refuse(&mistakes),
    };
    for notice in notices {
        warn!("{notice}");
    }
    raise_file_limit();
    if let Some(parent) = flags.parent {
        end_with(parent);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(fault) => return refuse(&[format!("the operating system gives no event queue: {fault}")]),
    };
    let local = LocalSet::new();
    // As a task among those of the connections: they wake each other without a look at the event queue in between.
    let life = local.spawn_local(live(flags.clone(), config));
    let ended = runtime.block_on(local.run_until(life)).unwrap_or_else(|end| resume_unwind(end.into_panic()));
    // The name of another broker may still be looked up: nobody waits for that.
    drop(local);
    runtime.shutdown_background();
    match ended {
        Ok((Outcome::Stopped, _homes)) => {
            info!("stopped");
            ExitCode::SUCCESS
        }
        Ok((Outcome::Halted(fault), _homes)) => {
            error!("this broker cannot go on: {fault}");
            ExitCode::FAILURE
        }
        Err(mistake) => refuse(&[mistake]),
    }
}

fn refuse(mistakes: &[String]) -> ExitCode {
    for mistake in mistakes {
        // Whoever started us may not listen, or have no room for it.
        let _ = writeln!(io::stderr(), "ottla: {mistake}");
    }
    ExitCode::from(2)
}

/// What came of it, and the directories, which nobody else may use as long as anything is under way in them.
async fn live(flags: Serve, mut config: Config) -> Result<(Outcome, Vec<Home>), String> {
    let clock = Clock::start();
    let seed = seed();
    let sockets = listen(&mut config).await?;
    let http = config.conn.http.as_mut().map(listen_http).transpose()?;
    let homes = homes(&flags, &config, seed)?;
    let (home, others) = homes.split_first().expect("there is always one");
    let functions = ottla_codecs::functions();
    let (mailbox, telemetry) = (Mailbox::default(), Telemetry::new());
    let threads = thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2).min(JOB_THREADS_MAX));
    let jobs = Jobs::start(threads, functions, &mailbox).map_err(|fault| format!("no threads: {fault}"))?;
    let disk = start_disk(home, mailbox.clone())?;
    if let Some(listener) = http {
        let site = (mailbox.clone(), telemetry.clone());
        let paths = homes.iter().map(|home| home.path().to_path_buf()).collect();
        http::start(listener, site.0, site.1, paths).map_err(|fault| format!("no HTTP: {fault}"))?;
    }
    let stopper = spawn_local(stop_on_signal(mailbox.clone()));
    let directory = home.path().to_path_buf();
    let more = |home: &Home| Ok((start_disk(home, mailbox.clone())?, home.path().to_path_buf()));
    let more = others.iter().map(more).collect::<Result<Vec<_>, String>>()?;
    let world = World { disk, directory, more, clock, seed, functions, mailbox, telemetry };
    let outcome = life::live(Parts { config, world, jobs, sockets }, |config| greet(&flags, config, home)).await;
    stopper.abort();
    Ok((outcome?, homes))
}

/// The data directories, locked. Where nothing is kept one is enough.
fn homes(flags: &Serve, config: &Config, seed: u64) -> Result<Vec<Home>, String> {
    match flags.ephemeral {
        true => Home::temporary(seed).map(|home| vec![home]),
        false => config.store.dirs.iter().map(|dir| Home::open(Path::new(dir.as_str()))).collect(),
    }
}

fn start_disk(home: &Home, mailbox: Mailbox) -> Result<boot::Disk, String> {
    let deliver = move |id, outcome| mailbox.put(Mail::File(id, outcome));
    let disk =
        Disk::start(home.path(), deliver.clone()).map_err(|fault| format!("no threads for the disk: {fault}"))?;
    match disk.ring(deliver) {
        Ok(ring) => {
            let ends = Rc::clone(&ring).run();
            spawn_local(async {
                let Err(fault) = ends.await;
                error!("nothing tells any more that a write has ended: {fault}");
                std::process::exit(1);
            });
            Ok(Box::new(move |id, op| disk.submit_through(&ring, id, op)))
        }
        Err(fault) => {
            info!("no io_uring ({fault}): threads write");
            Ok(Box::new(move |id, op| disk.submit(id, op)))
        }
    }
}

/// Opens every listener, and writes down what only now is known: ports that the operating system chose, and the name of
/// this machine where clients were to be told one.
async fn listen(config: &mut Config) -> Result<Vec<TcpListener>, String> {
    let mut sockets = Vec::new();
    for listener in &mut config.broker.listeners {
        let Address { host, port } = &listener.bind;
        let socket = bind(host, *port).await.map_err(|fault| explain(&listener.bind, &fault, "listeners"))?;
        let bound = socket.local_addr().map_err(|fault| explain(&listener.bind, &fault, "listeners"))?.port();
        if let Some(advertised) = &mut listener.advertised {
            if advertised.port == 0 {
                advertised.port = bound;
            }
            if advertised.host.is_empty() {
                advertised.host = this_machine().into();
            }
        }
        listener.bind.port = bound;
        sockets.push(socket);
    }
    Ok(sockets)
}

fn listen_http(address: &mut Address) -> Result<StdListener, String> {
    let bound = match address.host.as_str() {
        "" => StdListener::bind((every_interface(), address.port)),
        host => StdListener::bind((host, address.port)),
    };
    let bound = bound.and_then(|socket| Ok((socket.local_addr()?.port(), socket)));
    let (port, socket) = bound.map_err(|fault| explain(address, &fault, "ottla.http.listener"))?;
    address.port = port;
    Ok(socket)
}

fn explain(address: &Address, fault: &io::Error, key: &str) -> String {
    match fault.kind() {
        io::ErrorKind::AddrInUse => format!(
            "{address} is in use: stop whoever listens there (ss -ltnp shows who), or choose another port with --port \
             or --set {key}=…"
        ),
        io::ErrorKind::PermissionDenied => {
            format!("no permission to listen on {address}: ports below 1024 belong to root; choose another")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!(
                "{address} is no address of this machine: correct {key}; PLAINTEXT://:{} is all of them",
                address.port
            )
        }
        _ => format!("cannot listen on {address} ({key}): {fault}"),
    }
}

fn this_machine() -> String {
    let name = rustix::system::uname();
    name.nodename().to_str().ok().filter(|name| !name.is_empty()).unwrap_or("localhost").to_owned()
}

fn greet(flags: &Serve, config: &Config, home: &Home) {
    for warning in welcome::warnings(config) {
        warn!("{warning}");
    }
    if flags.log_format == LogFormat::Json {
        welcome::log(config, home.path());
    }
    let text = match (flags.ephemeral, flags.log_format) {
        (true, LogFormat::Text | LogFormat::Json) => {
            let port = config.broker.listeners.first().map_or(0, |listener| listener.bind.port);
            serde_json::json!({ "port": port, "pid": std::process::id() }).to_string()
        }
        (false, LogFormat::Text) => {
            let program = std::env::args_os().next().unwrap_or_else(|| "ottla".into());
            welcome::text(config, home.path(), &program.to_string_lossy())
        }
        // Where lines are JSON, no line is anything else.
        (false, LogFormat::Json) => return,
    };
    let mut out = io::stdout();
    // Whoever started us may not listen.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// The first signal stops in an orderly way: no more requests, everything to disk. A second one is not waited for:
/// what is acknowledged is on disk at any moment.
async fn stop_on_signal(mailbox: Mailbox) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        warn!("signals cannot be caught: only kill -9 will stop this process");
        return;
    };
    for is_first in [true, false] {
        tokio::select! {
            biased;
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if is_first {
            mailbox.put(Mail::Stop);
        }
    }
    std::process::exit(130);
}

/// The kernel asks us to end when the process that started us does. It may have ended before it was asked for that.
fn end_with(parent: u32) {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    if let Err(fault) = set_parent_process_death_signal(Some(Signal::TERM)) {
        warn!("this broker would outlive process {parent}: {fault}");
    }
    if getppid().is_none_or(|now| now.as_raw_nonzero().get().cast_unsigned() != parent) {
        error!("process {parent}, which started this broker, has ended");
        std::process::exit(1);
    }
}

/// Ten thousand connections need as many descriptors; the soft limit is often 1024.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(fault) = setrlimit(Resource::Nofile, raised) {
        warn!("the limit of open files stays at {:?}: {fault}", limit.current);
    }
}

/// More threads than this have nothing to do.
const JOB_THREADS_MAX: usize = 4;
