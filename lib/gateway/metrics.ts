// Prometheus metrics of one gateway: counters and gauges read from its stats when they are scraped, and
// the one histogram that has to be fed as it happens, the journal's commits.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { GatewayCounters, GatewayStats } from './stats.ts';

const COMMIT_BUCKETS_SECONDS = [
  0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 3,
];

const COUNTERS: Readonly<Record<keyof GatewayCounters, readonly [string, string]>> = {
  webhooks: ['webhooks_total', 'Signed webhook bodies that were parsed.'],
  webhooksAccepted: ['webhooks_accepted_total', 'Webhooks answered 200.'],
  webhooksRefused: ['webhooks_refused_total', 'Webhooks answered 4xx.'],
  webhooksUnavailable: ['webhooks_unavailable_total', 'Webhooks answered 503.'],
  events: ['events_total', 'Webhook events appended to the journal.'],
  duplicates: ['events_duplicate_total', 'Webhook events that the journal already held.'],
  unconfiguredEvents: ['events_unconfigured_total', 'Events of Pages that are not configured.'],
  damagedEvents: [
    'events_damaged_total',
    'Events that were kept as unknown because of their shape.',
  ],
  published: ['events_published_total', 'Event frames published to groups of agent sessions.'],
  sessionsSlow: ['sessions_slow_total', 'Times a live session fell behind.'],
  sessionsStalled: ['sessions_stalled_total', 'Sessions closed because they took no byte.'],
  sessionsOpened: ['sessions_opened_total', 'Agent sessions that said hello.'],
  sessionsRefused: ['sessions_refused_total', 'Agent handshakes that were refused.'],
  requests: ['agent_requests_total', 'Requests of agents.'],
  requestsRefused: ['agent_requests_refused_total', 'Requests of agents answered with an error.'],
  postsSent: ['sends_sent_total', 'Graph calls that sent a message.'],
  postsRefused: ['sends_refused_total', 'Graph calls that Meta refused.'],
  postsUnknown: ['sends_unknown_total', 'Graph calls whose outcome is not known.'],
  profilesFetched: ['profiles_fetched_total', 'Customer profiles fetched.'],
  profilesMissing: ['profiles_missing_total', 'Customer profiles that Meta did not give.'],
};

export interface CommitSample {
  readonly records: number;
  readonly seconds: number;
}

export interface Metrics {
  /** Feeds the commit histogram. */
  observeCommit(sample: CommitSample): void;
  /** The text of a scrape, and its content type. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** @param stats read at each scrape */
export function createMetrics(stats: () => GatewayStats): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  addCounters(registry, stats);
  addGauges(registry, stats);
  const commits = new Histogram({
    name: 'sluice_journal_commit_seconds',
    help: 'Duration of a journal commit, its flush to disk included.',
    buckets: COMMIT_BUCKETS_SECONDS,
    registers: [registry],
  });
  const records = new Counter({
    name: 'sluice_journal_records_total',
    help: 'Records committed to the journal.',
    registers: [registry],
  });
  return {
    observeCommit(sample) {
      commits.observe(sample.seconds);
      records.inc(sample.records);
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

function addCounters(registry: Registry, stats: () => GatewayStats): void {
  for (const key of Object.keys(COUNTERS) as (keyof GatewayCounters)[]) {
    const [name, help] = COUNTERS[key];
    new Counter({
      name: `sluice_${name}`,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(stats()[key]);
      },
    });
  }
}

function addGauges(registry: Registry, stats: () => GatewayStats): void {
  const gauges: readonly [string, string, (value: GatewayStats) => number][] = [
    ['agent_sessions', 'Agent sessions that are open.', (value) => value.sessions],
    ['connections', 'TCP connections that are open.', (value) => value.connections],
    ['journal_head', 'Number of the newest durable record.', (value) => value.head],
  ];
  for (const [name, help, read] of gauges) {
    new Gauge({
      name: `sluice_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(read(stats()));
      },
    });
  }
}
