// An exporter on client_golang with the samples of a file in the text format, as an exporter in Go would serve them:
// constant metrics made at each scrape, promhttp for the rest.
// usage: main FILE ADDRESS
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"
)

type sample struct {
	desc   *prometheus.Desc
	value  float64
	labels []string
}

type fleet struct{ samples []sample }

func (f *fleet) Describe(chan<- *prometheus.Desc) {}

func (f *fleet) Collect(out chan<- prometheus.Metric) {
	for _, s := range f.samples {
		out <- prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, s.value, s.labels...)
	}
}

func read(name string) (*fleet, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var parser expfmt.TextParser
	families, err := parser.TextToMetricFamilies(file)
	if err != nil {
		return nil, err
	}
	all := &fleet{}
	for _, family := range families {
		var desc *prometheus.Desc
		for _, metric := range family.Metric {
			var names, values []string
			for _, pair := range metric.Label {
				names, values = append(names, pair.GetName()), append(values, pair.GetValue())
			}
			if desc == nil {
				desc = prometheus.NewDesc(family.GetName(), family.GetHelp(), names, nil)
			}
			all.samples = append(all.samples, sample{desc, metric.GetGauge().GetValue(), values})
		}
	}
	return all, nil
}

func main() {
	all, err := read(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(all)
	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	fmt.Println(len(all.samples), "samples")
	log.Fatal(http.ListenAndServe(os.Args[2], nil))
}
