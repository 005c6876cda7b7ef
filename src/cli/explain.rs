//! `orderwatch explain`

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::records::{Bar, Records, Until};
use super::{ConfigFile, Failure};
use crate::codec::{Format, encode_exception};
use crate::config::{self, Style};
use crate::domain::exception::percent_encode;
use crate::domain::{Entity, Exception, Str};
use crate::engine::explain::{Explained, ExplainedPolicy, Explainee};
use crate::replay::replay_into;

/// A running instance answers at once, or is in trouble.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// Say what is known of an order, and why each policy says what it says
///
/// Or of a checkout, a return, whatever a stream is about (--entity).
/// From the records themselves (--input or --from, as for `replay`), or from a running instance (--url).
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The order, or what else --entity says
    #[arg(value_name = "ID")]
    id: Str,

    /// What it is: the `entity` of a stream
    #[arg(long, value_name = "NAME", default_value = "order")]
    entity: Str,

    #[command(flatten)]
    config: ConfigFile,

    /// Judge by these policies instead of those that the configuration names
    #[arg(long, value_name = "FILE")]
    policies: Option<PathBuf>,

    #[command(flatten)]
    records: Records,

    #[command(flatten)]
    until: Until,

    /// Ask a running instance, such as http://127.0.0.1:8080. Its token is taken from ORDERWATCH_TOKEN
    #[arg(long, value_name = "URL", conflicts_with_all = ["input", "from"])]
    url: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was found out.
struct Found {
    explained: Explained,
    /// What was published on the way; `None` where the instance was asked.
    history: Option<Vec<Exception>>,
}

/// Explains an order.
///
/// # Errors
/// The configuration or the command line is wrong; the records cannot be read, or the order is not known.
pub fn run(args: Args) -> Result<(), Failure> {
    let found = match &args.url {
        Some(url) => ask(url, &args.entity, &args.id)?,
        None if args.records.are_given() => read(&args)?,
        None => {
            let wanted =
                "error: one of --input DUMP, --from TIME and --url URL is needed: where the order is to be found";
            return Err(Failure::Wrong(wanted.to_owned()));
        }
    };
    match args.json {
        true => super::print(format!("{:#}\n", found.to_json())),
        false => super::print(found.to_text()),
    }
}

fn read(args: &Args) -> Result<Found, Failure> {
    let (config, warnings) = args.config.load(args.policies.as_deref())?;
    if !warnings.is_empty() {
        eprint!("{}", config::render(&warnings, Style::of(io::stderr().is_terminal())));
    }
    if !config.streams.iter().any(|stream| stream.entity.name() == &args.entity) {
        return Err(Failure::Wrong(format!("error: --entity {}: no stream is about that", args.entity)));
    }
    let mut bar = Bar::new();
    let dump = args.records.open(&config, &mut bar)?;
    let plan = args.until.plan(&config, &Str::new_static("explain"));
    let mut history = Vec::new();
    let mut keep = |exception: &Exception| {
        if exception.subject.entity_and_id() == Some((&*args.entity, &args.id)) {
            history.push(exception.clone());
        }
        Ok(())
    };
    let replayed = replay_into(&dump, &plan, &mut keep, &mut |step| bar.show(step));
    bar.clear();
    let (_, drive) = replayed?;
    match drive.explain(&args.entity, &args.id) {
        Some(explained) => Ok(Found { explained, history: Some(history) }),
        None => Err(Failure::Failed(unknown(&args.entity, &args.id, "these records").into())),
    }
}

fn ask(url: &str, entity: &str, id: &str) -> Result<Found, Failure> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(ANSWERS_WITHIN)).http_status_as_error(false).build().into();
    let mut path = match entity {
        Entity::ORDER_NAME => "orders/".to_owned(),
        other => format!("entities/{}/", encoded(other)),
    };
    path += &encoded(id);
    let request = agent.get(format!("{}/api/v1/{path}", url.trim_end_matches('/')));
    let request = match std::env::var("ORDERWATCH_TOKEN") {
        Ok(token) if !token.is_empty() => request.header("authorization", format!("Bearer {token}")),
        _ => request,
    };
    let mut answer = request.call()?;
    let body = answer.body_mut().read_to_string()?;
    match answer.status().as_u16() {
        200 => Ok(Found { explained: serde_json::from_str(&body)?, history: None }),
        404 => Err(Failure::Failed(unknown(entity, id, url).into())),
        status => Err(Failure::Failed(format!("{url} answers {status}: {body}").into())),
    }
}

fn encoded(part: &str) -> String {
    let mut encoded = String::new();
    percent_encode(part, &mut encoded);
    encoded
}

fn unknown(entity: &str, id: &str, place: &str) -> String {
    format!("{entity} {id} is not known in {place}: it was never told, or closed longer ago than retain_closed")
}

impl Found {
    fn to_json(&self) -> serde_json::Value {
        let mut value = json!(self.explained);
        if let (Some(history), Some(object)) = (&self.history, value.as_object_mut()) {
            let told = history.iter().map(|e| encode_exception(e, Format::Json));
            let told = told.filter_map(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
            object.insert("history".to_owned(), told.collect::<Vec<_>>().into());
        }
        value
    }

    fn to_text(&self) -> String {
        let Explained { subject, frontier, closed_at, timeline, policies } = &self.explained;
        let closed = closed_at.map(|at| format!(", closed at {at}")).unwrap_or_default();
        let subject = match subject {
            Explainee::Order { order_id } => format!("Order {order_id}"),
            Explainee::Other { entity, id } => format!("{entity} {id}"),
        };
        let mut text = format!("{subject} at frontier {frontier}{closed}\n\nTimeline\n");
        for told in timeline {
            let event = &told.event;
            let about = told.fulfillment_id.as_ref().map(|id| format!("  {id}")).unwrap_or_default();
            let late = told.record_time - event.event_time;
            let late = if late.get() >= 60_000 { format!("  told at {}", told.record_time) } else { String::new() };
            let _ = writeln!(
                text,
                "  {}  {:<24} {} ({}/{}/{}){about}{late}",
                event.event_time, event.kind, told.source, event.topic, event.partition, event.offset
            );
        }
        text.push_str("\nPolicies\n");
        policies.iter().for_each(|policy| add_policy(&mut text, policy));
        if let Some(history) = self.history.as_ref().filter(|history| !history.is_empty()) {
            text.push_str("\nWhat was said\n");
            for e in history {
                let _ = writeln!(text, "  frontier {}  {:<9} {}", e.frontier, e.status.as_str(), e.policy.id);
            }
        }
        text
    }
}

fn add_policy(text: &mut String, policy: &ExplainedPolicy) {
    if let Some(why) = &policy.why_none {
        let _ = writeln!(text, "  {}\n    no cycle: {why}", policy.policy);
        return;
    }
    for cycle in &policy.cycles {
        let about = cycle.fulfillment_id.as_ref().map(|id| format!(" for {id}")).unwrap_or_default();
        let owner = cycle.published.as_ref().map(|told| format!(" [{}]", told.owner)).unwrap_or_default();
        let _ = writeln!(
            text,
            "  {}{about}{owner}\n    started at {} by {}\n    {}",
            policy.policy, cycle.started_at, cycle.trigger.kind, cycle.why
        );
    }
}
