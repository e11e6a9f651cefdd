package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"trona/engine"
)

// metrics are what Prometheus collects: histograms of requests, and what the
// engine says about itself. Each of these exists twice, under this program's
// name and under vLLM's, so that existing dashboards and routers work. vLLM's
// have labels for the model; ours are sums over all models. Besides they are
// counts of all HTTP requests, and what the system says of the process.
type metrics struct {
	models    func() modelSet
	registry  *prometheus.Registry
	gather    http.Handler
	toFirst   histogram
	between   histogram
	whole     histogram
	successes [2]*prometheus.CounterVec
	answers   *prometheus.CounterVec
}

// histogram is one measure under both names.
type histogram struct{ ours, theirs *prometheus.HistogramVec }

func (h histogram) observe(m *Model, d time.Duration) {
	h.ours.WithLabelValues().Observe(d.Seconds())
	h.theirs.WithLabelValues(m.Names[0], engineLabel).Observe(d.Seconds())
}

// engineLabel tells the engines of one model apart; there is one.
const engineLabel = "0"

// labels of vLLM's series.
var vllmLabels = []string{"model_name", "engine"}

// Upper bounds in seconds, those of NIM and vLLM with room for slow machines.
var (
	firstBuckets   = []float64{.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160}
	betweenBuckets = []float64{.001, .0025, .005, .01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5}
	wholeBuckets   = []float64{.1, .3, .5, .8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960}
)

func newMetrics(models func() modelSet) *metrics {
	m := &metrics{models: models, registry: prometheus.NewRegistry()}
	m.toFirst = m.histogram("time_to_first_token_seconds", "From the request to its first token.", firstBuckets)
	m.between = m.histogram("inter_token_latency_seconds", "From one token of a request to the next.", betweenBuckets)
	m.whole = m.histogram("e2e_request_latency_seconds", "From the request to its last token.", wholeBuckets)
	for i, prefix := range []string{"trona_", "vllm:"} {
		labels := []string{"finished_reason"}
		if i > 0 {
			labels = append(labels, vllmLabels...)
		}
		m.successes[i] = prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "request_success_total", Help: "Answers that ended, by reason: stop, length, abort, error.",
		}, labels)
		m.registry.MustRegister(m.successes[i])
	}
	for _, reason := range []string{finishStop, finishLength, engine.FinishCancelled.String(), engine.FinishError.String()} {
		m.successes[0].WithLabelValues(reason) // a series that is 0 exists
	}
	m.answers = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "trona_http_requests_total", Help: "Requests that were answered, refused or left by the client (499), by route and status.",
	}, []string{"route", "status"})
	m.registry.MustRegister(m.answers, engineCollector{models}, collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.gather = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
	return m
}

func (m *metrics) histogram(name, help string, buckets []float64) histogram {
	h := histogram{
		prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "trona_" + name, Help: help, Buckets: buckets}, nil),
		prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "vllm:" + name, Help: help, Buckets: buckets}, vllmLabels),
	}
	h.ours.WithLabelValues()
	m.registry.MustRegister(h.ours, h.theirs)
	return h
}

func (m *metrics) firstToken(of *Model, d time.Duration) { m.toFirst.observe(of, d) }
func (m *metrics) nextToken(of *Model, d time.Duration)  { m.between.observe(of, d) }

// finished counts an answer.
func (m *metrics) finished(of *Model, reason string, d time.Duration) {
	m.successes[0].WithLabelValues(reason).Inc()
	m.successes[1].WithLabelValues(reason, of.Names[0], engineLabel).Inc()
	m.whole.observe(of, d)
}

// answered counts a request to a route of the table, with the status for the log.
func (m *metrics) answered(route string, status int) {
	m.answers.WithLabelValues(route, strconv.Itoa(status)).Inc()
}

// exposition serves GET /metrics.
func (s *Server) exposition(w http.ResponseWriter, r *http.Request) error {
	s.metrics.gather.ServeHTTP(w, r)
	return nil
}

// engineSeries are what the engine counts, under this program's names and vLLM's.
var engineSeries = []struct {
	ours, theirs, help string
	kind               prometheus.ValueType
	value              func(*engine.Stats) float64
}{
	{
		"requests_running", "num_requests_running", "Requests in work.", prometheus.GaugeValue,
		func(s *engine.Stats) float64 { return float64(s.Running) },
	}, {
		"requests_waiting", "num_requests_waiting", "Requests in the queue.", prometheus.GaugeValue,
		func(s *engine.Stats) float64 { return float64(s.Waiting) },
	}, {
		"kv_cache_usage_ratio", "kv_cache_usage_perc", "Share of the KV cache that requests hold; 1 is all of it.", prometheus.GaugeValue,
		func(s *engine.Stats) float64 { return float64(s.BlocksUsed) / float64(max(s.Blocks, 1)) },
	}, {
		"prompt_tokens_total", "prompt_tokens_total", "Tokens of prompts.", prometheus.CounterValue,
		func(s *engine.Stats) float64 { return float64(s.PromptTokens) },
	}, {
		"generation_tokens_total", "generation_tokens_total", "Tokens of answers.", prometheus.CounterValue,
		func(s *engine.Stats) float64 { return float64(s.GeneratedTokens) },
	}, {
		"prefix_cache_query_tokens_total", "prefix_cache_queries_total", "Tokens of prompts that were looked up in the prefix cache.", prometheus.CounterValue,
		func(s *engine.Stats) float64 { return float64(s.PrefixQueryTokens) },
	}, {
		"prefix_cache_hit_tokens_total", "prefix_cache_hits_total", "Tokens of prompts that the prefix cache had.", prometheus.CounterValue,
		func(s *engine.Stats) float64 { return float64(s.PrefixHitTokens) },
	}, {
		"preemptions_total", "num_preemptions_total", "Times a request gave up its memory, to be computed again.", prometheus.CounterValue,
		func(s *engine.Stats) float64 { return float64(s.Preemptions) },
	}, {
		"spec_decode_num_draft_tokens_total", "spec_decode_num_draft_tokens_total", "Tokens that were guessed ahead and computed.", prometheus.CounterValue,
		func(s *engine.Stats) float64 { return float64(s.DraftedTokens) },
	}, {
		"spec_decode_num_accepted_tokens_total", "spec_decode_num_accepted_tokens_total", "Tokens of answers that were guessed right.", prometheus.CounterValue,
		func(s *engine.Stats) float64 { return float64(s.AcceptedTokens) },
	},
}

// engineCollector asks the engines when it is collected. Before there are any
// its own series are 0; vLLM's need the name of a model.
type engineCollector struct{ models func() modelSet }

// Describe describes nothing: what is collected depends on the models.
func (engineCollector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the engines' counts.
func (c engineCollector) Collect(to chan<- prometheus.Metric) {
	models := c.models()
	var sum engine.Stats
	stats := make([]engine.Stats, len(models))
	for i, m := range models {
		stats[i] = m.Engine.Stats()
		sum.Add(&stats[i])
	}
	for _, s := range engineSeries {
		to <- prometheus.MustNewConstMetric(prometheus.NewDesc("trona_"+s.ours, s.help, nil, nil), s.kind, s.value(&sum))
		desc := prometheus.NewDesc("vllm:"+s.theirs, s.help, vllmLabels, nil)
		for i, m := range models {
			to <- prometheus.MustNewConstMetric(desc, s.kind, s.value(&stats[i]), m.Names[0], engineLabel)
		}
	}
}
