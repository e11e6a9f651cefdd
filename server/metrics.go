package server

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"trona/engine"
)

// metrics are what Prometheus collects: histograms of requests, and what the
// engine says about itself. Every series exists twice, under this program's
// name and under vLLM's, so that existing dashboards and routers work.
type metrics struct {
	model     func() *Model
	registry  *prometheus.Registry
	gather    http.Handler
	toFirst   histogram
	between   histogram
	whole     histogram
	successes [2]*prometheus.CounterVec
}

// histogram is one measure under both names.
type histogram struct{ ours, theirs *prometheus.HistogramVec }

func (h histogram) observe(m *Model, d time.Duration) {
	h.ours.WithLabelValues().Observe(d.Seconds())
	h.theirs.WithLabelValues(m.Names[0], engineLabel).Observe(d.Seconds())
}

// engineLabel tells the engines of one server apart; there is one.
const engineLabel = "0"

// labels of vLLM's series.
var vllmLabels = []string{"model_name", "engine"}

// Upper bounds in seconds, those of NIM and vLLM with room for slow machines.
var (
	firstBuckets   = []float64{.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160}
	betweenBuckets = []float64{.001, .0025, .005, .01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5}
	wholeBuckets   = []float64{.1, .3, .5, .8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960}
)

func newMetrics(model func() *Model) *metrics {
	m := &metrics{model: model, registry: prometheus.NewRegistry()}
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
	m.registry.MustRegister(engineCollector{model})
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

// exposition serves GET /metrics.
func (s *Server) exposition(w http.ResponseWriter, r *http.Request) error {
	s.metrics.gather.ServeHTTP(w, r)
	return nil
}

// engineCollector asks the engine when it is collected.
type engineCollector struct{ model func() *Model }

func (engineCollector) Describe(chan<- *prometheus.Desc) {}
func (engineCollector) Collect(chan<- prometheus.Metric) {}
