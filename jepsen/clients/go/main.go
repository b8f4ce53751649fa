// The clients of a run, by franz-go: senders, one that watches, readers, and one that reads everything at the end. What they
// ask and are told goes to standard output, a JSON object a line; see ../README.md. The word `stop` on standard input ends them.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var (
	bootstrap  = flag.String("bootstrap", "", "addresses of brokers")
	topics     = flag.Int("topics", 1, "how many topics")
	partitions = flag.Int("partitions", 1, "how many partitions, over all topics")
	brokers    = flag.Int("brokers", 3, "how many brokers, with ids from 1 on")
	replicas   = flag.Int("replicas", 3, "how many replicas of each")
	senders    = flag.Int("senders", 16, "how many processes send, each with one operation under way")
	producers  = flag.Int("producers", 2, "how many producers they share")
	readers    = flag.Int("readers", 1, "how many processes read along")
	batch      = flag.Int("batch", 100, "records of an operation")
	size       = flag.Int("size", 100, "bytes of a record")
	grace      = flag.Duration("grace", time.Minute, "how long what is under way at the end is waited for")
)

// What happened, as a line of the history.
type event struct {
	Time    int64      `json:"time"`
	Process int        `json:"process"`
	Type    string     `json:"type"`
	F       string     `json:"f"`
	P       *int       `json:"p,omitempty"`
	First   *int64     `json:"first,omitempty"`
	Count   int        `json:"count,omitempty"`
	Since   int64      `json:"since,omitempty"`
	At      [][2]int64 `json:"at,omitempty"`
	Runs    [][5]int64 `json:"runs,omitempty"`
	Ends    [][2]int64 `json:"ends,omitempty"`
	Error   string     `json:"error,omitempty"`
}

const (
	watcher     = 0
	firstReader = 100000
	lastReader  = 200000
)

var started = time.Now()

var history struct {
	sync.Mutex
	out *bufio.Writer
}

// The wall clock at the start, going on steadily from there whatever happens to it.
func now() int64 {
	return started.UnixNano() + int64(time.Since(started))
}

func tell(e event) {
	e.Time = now()
	text, _ := json.Marshal(e)
	history.Lock()
	history.out.Write(text)
	history.out.WriteByte('\n')
	history.Unlock()
}

func flush() {
	history.Lock()
	history.out.Flush()
	history.Unlock()
}

func main() {
	flag.Parse()
	history.out = bufio.NewWriterSize(os.Stdout, 1<<20)
	go func() {
		for {
			time.Sleep(5 * time.Millisecond)
			flush()
		}
	}()
	if err := create(); err != nil {
		fmt.Fprintln(os.Stderr, "topics cannot be made:", err)
		os.Exit(1)
	}
	sending, stop := context.WithCancel(context.Background())
	waiting, giveUp := context.WithCancel(context.Background())
	reading, stopReading := context.WithCancel(context.Background())
	var senderGroup, readerGroup sync.WaitGroup
	for reader := 0; reader < *readers; reader++ {
		readerGroup.Add(1)
		go func() {
			defer readerGroup.Done()
			read(reading, firstReader+reader)
		}()
	}
	senderGroup.Add(1)
	go func() {
		defer senderGroup.Done()
		send(sending, waiting, newProducer(0), watcher, 1, func(int64) int { return 0 })
	}()
	var shared []*producer
	for range *producers {
		shared = append(shared, newProducer(5*time.Millisecond))
	}
	for sender := 1; sender <= *senders; sender++ {
		senderGroup.Add(1)
		go func() {
			defer senderGroup.Done()
			from := int64(sender) * int64(*partitions) / int64(*senders)
			send(sending, waiting, shared[sender%len(shared)], sender, *batch, func(turn int64) int {
				return int((from + turn) % int64(*partitions))
			})
		}()
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() && lines.Text() != "stop" {
	}
	stop()
	time.AfterFunc(*grace, giveUp)
	senderGroup.Wait()
	stopReading()
	readerGroup.Wait()
	readAll()
	flush()
}

func topic(partition int) (string, int32) {
	return fmt.Sprintf("watched-%d", partition%*topics), int32(partition / *topics)
}

// The number of a partition over all topics.
func global(name string, partition int32) int {
	var at int
	fmt.Sscanf(strings.TrimPrefix(name, "watched-"), "%d", &at)
	return int(partition)**topics + at
}

// Makes the topics. Broker 2 leads the watched partition at first, and the others follow round robin: where broker 1 is the only
// controller, it is no chance whether that and the leader are killed at once.
func create() error {
	client, err := newClient()
	if err != nil {
		return err
	}
	defer client.Close()
	forever := "-1"
	for at := 0; at < *topics; at++ {
		asked := kmsg.NewCreateTopicsRequestTopic()
		asked.Topic, _ = topic(at)
		asked.NumPartitions, asked.ReplicationFactor = -1, -1
		setting := kmsg.NewCreateTopicsRequestTopicConfig()
		setting.Name, setting.Value = "retention.ms", &forever
		asked.Configs = append(asked.Configs, setting)
		for partition := at; partition < *partitions; partition += *topics {
			placed := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
			_, placed.Partition = topic(partition)
			for replica := range *replicas {
				placed.Replicas = append(placed.Replicas, int32((partition+1+replica)%*brokers+1))
			}
			asked.ReplicaAssignment = append(asked.ReplicaAssignment, placed)
		}
		request := kmsg.NewPtrCreateTopicsRequest()
		request.TimeoutMillis, request.Topics = 60000, append(request.Topics, asked)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		answer, err := request.RequestWith(ctx, client)
		cancel()
		if err == nil {
			err = kerr.ErrorForCode(answer.Topics[0].ErrorCode)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", asked.Topic, err)
		}
	}
	return nil
}

// A client that hears of a new leader as soon as it may ask: by itself it asks every five seconds at most, and waits up to
// two and a half between attempts.
func newClient(more ...kgo.Opt) (*kgo.Client, error) {
	options := []kgo.Opt{
		kgo.SeedBrokers(strings.Split(*bootstrap, ",")...),
		kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }),
		kgo.DialTimeout(2 * time.Second),
	}
	return kgo.NewClient(append(options, more...)...)
}

// A producer shared by several senders: the records of an operation stay together in it.
type producer struct {
	sync.Mutex
	*kgo.Client
}

func newProducer(linger time.Duration) *producer {
	client, err := newClient(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(linger), kgo.StopProducerOnDataLossDetected())
	if err != nil {
		panic(err)
	}
	return &producer{Client: client}
}

func send(sending, waiting context.Context, to *producer, process, count int, choose func(turn int64) int) {
	next := int64(0)
	for turn := int64(0); sending.Err() == nil; turn++ {
		partition, first := choose(turn), next
		next += int64(count)
		records := make([]*kgo.Record, count)
		errs := make([]error, count)
		for at := range records {
			records[at] = made(process, first+int64(at), partition)
		}
		tell(event{Process: process, Type: "invoke", F: "send", P: &partition, First: &first, Count: count})
		done := make(chan struct{})
		var left sync.WaitGroup
		left.Add(count)
		to.Lock()
		for at, record := range records {
			to.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
				errs[at] = err
				left.Done()
			})
		}
		to.Unlock()
		go func() {
			left.Wait()
			close(done)
		}()
		select {
		case <-done:
			tell(ended(process, partition, first, records, errs))
		case <-waiting.Done():
			tell(event{Process: process, Type: "info", F: "send", P: &partition, First: &first, Count: count, Error: "no answer until the end"})
			return
		}
	}
}

// How an operation ended: ok if each record of it was acknowledged. A client's error is never known to mean that the record
// is not there.
func ended(process, partition int, first int64, records []*kgo.Record, errs []error) event {
	end := event{Process: process, Type: "ok", F: "send", P: &partition, First: &first, Count: len(records)}
	for at, record := range records {
		if errs[at] != nil {
			end.Type, end.Error, end.At = "info", errs[at].Error(), nil
			return end
		}
		if last := len(end.At) - 1; last >= 0 && end.At[last][0]+end.At[last][1] == record.Offset {
			end.At[last][1]++
		} else {
			end.At = append(end.At, [2]int64{record.Offset, 1})
		}
	}
	return end
}

func read(reading context.Context, process int) {
	client, err := newClient(kgo.ConsumePartitions(everything()), kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.FetchMaxWait(500*time.Millisecond))
	if err != nil {
		panic(err)
	}
	defer client.Close()
	for reading.Err() == nil {
		since := now()
		fetches := client.PollFetches(reading)
		told(fetches, process, "poll", since)
	}
}

func everything() map[string]map[int32]kgo.Offset {
	all := map[string]map[int32]kgo.Offset{}
	for partition := range *partitions {
		name, at := topic(partition)
		if all[name] == nil {
			all[name] = map[int32]kgo.Offset{}
		}
		all[name][at] = kgo.NewOffset().At(0)
	}
	return all
}

// Writes down what a poll brought, and gives how far each partition was read.
func told(fetches kgo.Fetches, process int, f string, since int64) map[int]int64 {
	ends := map[int]int64{}
	var runs [][5]int64
	fetches.EachRecord(func(r *kgo.Record) {
		partition := global(r.Topic, r.Partition)
		ends[partition] = r.Offset + 1
		sender, number, good := unmade(r, partition)
		if !good {
			tell(event{Process: process, Type: "ok", F: f, Since: since, Error: fmt.Sprintf("altered: partition %d offset %d holds %.40x", partition, r.Offset, r.Value)})
			return
		}
		if last := len(runs) - 1; last >= 0 && continues(runs[last], partition, r.Offset, sender, number) {
			runs[last][4]++
			return
		}
		runs = append(runs, [5]int64{int64(partition), r.Offset, int64(sender), number, 1})
	})
	if runs != nil {
		tell(event{Process: process, Type: "ok", F: f, Since: since, Runs: runs})
	}
	fetches.EachError(func(name string, partition int32, err error) {
		if err != context.Canceled && err != context.DeadlineExceeded {
			tell(event{Process: process, Type: "info", F: f, Since: since, Error: fmt.Sprintf("%s %d: %v", name, partition, err)})
		}
	})
	return ends
}

func continues(run [5]int64, partition int, offset int64, sender int, number int64) bool {
	return run[0] == int64(partition) && run[1]+run[4] == offset && run[2] == int64(sender) && run[3]+run[4] == number
}

// Reads every partition from its beginning to its end.
func readAll() {
	client, err := newClient(kgo.ConsumePartitions(everything()), kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	if err != nil {
		panic(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var names []string
	for at := 0; at < *topics; at++ {
		name, _ := topic(at)
		names = append(names, name)
	}
	listed, err := kadm.NewClient(client).ListEndOffsets(ctx, names...)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		tell(event{Process: lastReader, Type: "info", F: "final", Error: err.Error()})
		return
	}
	left := map[int]int64{}
	done := event{Process: lastReader, Type: "ok", F: "final"}
	listed.Each(func(end kadm.ListedOffset) {
		partition := global(end.Topic, end.Partition)
		done.Ends = append(done.Ends, [2]int64{int64(partition), end.Offset})
		if end.Offset > 0 {
			left[partition] = end.Offset
		}
	})
	for len(left) > 0 && ctx.Err() == nil {
		for partition, end := range told(client.PollFetches(ctx), lastReader, "final", now()) {
			if end >= left[partition] {
				delete(left, partition)
			}
		}
	}
	if len(left) > 0 {
		done.Type, done.Error = "info", fmt.Sprintf("%d partitions were not read to their ends", len(left))
	}
	tell(done)
}
