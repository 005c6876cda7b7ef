//! The demo's headline figures, read from /metrics over HTTP as any scraper would.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A page of metrics is some 50 kB.
const PAGE_BYTES_MAX: u64 = 4 << 20;

/// What the headline says.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Figures {
    /// `orderwatch_orders_open`, summed.
    pub orders_open: u64,
    /// `orderwatch_events_total`, summed.
    pub events: u64,
    /// `orderwatch_dead_letters_total`, summed.
    pub dead_letters: u64,
    /// Events since the scrape before, by the second.
    pub events_per_second: f64,
    /// `orderwatch_frontier_lag_seconds`, the largest.
    pub frontier_lag_seconds: f64,
}

/// Scrapes one address.
#[derive(Debug)]
pub struct Scraper {
    address: SocketAddr,
    last: Option<(Instant, u64)>,
}

impl Scraper {
    /// For the address that orderwatch listens on.
    pub fn new(address: SocketAddr) -> Self {
        Scraper { address, last: None }
    }

    /// The figures now; `None` while nothing answers.
    pub fn scrape(&mut self) -> Option<Figures> {
        let page = get(self.address).ok()?;
        let mut figures = read(&page);
        let now = Instant::now();
        if let Some((then, events)) = self.last {
            let seconds = now.duration_since(then).as_secs_f64().max(0.001);
            figures.events_per_second = figures.events.saturating_sub(events) as f64 / seconds;
        }
        self.last = Some((now, figures.events));
        Some(figures)
    }
}

fn get(address: SocketAddr) -> std::io::Result<String> {
    let within = Duration::from_secs(1);
    let mut stream = TcpStream::connect_timeout(&address, within)?;
    stream.set_read_timeout(Some(within))?;
    stream.set_write_timeout(Some(within))?;
    write!(stream, "GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut page = String::new();
    stream.take(PAGE_BYTES_MAX).read_to_string(&mut page)?;
    Ok(page)
}

fn read(page: &str) -> Figures {
    let values = |name: &'static str| {
        page.lines().filter_map(move |line| {
            let rest = line.strip_prefix(name)?;
            // The name ends here: `orderwatch_events_total` is no `orderwatch_events_total_created`.
            (rest.starts_with('{') || rest.starts_with(' ')).then_some(())?;
            rest.rsplit(' ').next()?.parse::<f64>().ok()
        })
    };
    Figures {
        orders_open: values("orderwatch_orders_open").sum::<f64>() as u64,
        events: values("orderwatch_events_total").sum::<f64>() as u64,
        dead_letters: values("orderwatch_dead_letters_total").sum::<f64>() as u64,
        events_per_second: 0.0,
        frontier_lag_seconds: values("orderwatch_frontier_lag_seconds").fold(0.0, f64::max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_page() {
        let page = "HTTP/1.0 200 OK\r\n\r\n# HELP orderwatch_events_total x\n\
                    orderwatch_events_total{stream=\"orders\"} 40\norderwatch_events_total{stream=\"a b\"} 2\n\
                    orderwatch_events_total_created 9\norderwatch_orders_open 7\n\
                    orderwatch_frontier_lag_seconds{shard=\"0\"} 0.25\norderwatch_frontier_lag_seconds{shard=\"1\"} 1.5\n";
        let figures = read(page);
        assert_eq!((figures.events, figures.orders_open, figures.dead_letters), (42, 7, 0));
        assert_eq!(figures.frontier_lag_seconds, 1.5);
    }
}
