// Tells to which partitions kafka-go and Sarama send the keys on its input: see ../README.md.
package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/IBM/sarama"
	"github.com/segmentio/kafka-go"
)

type choose func(key []byte, count int) int

func main() {
	numbers := make([]int, 100)
	for n := range numbers {
		numbers[n] = n
	}
	type client struct {
		name   string
		choose choose
	}
	var clients []client
	for _, it := range []struct {
		name     string
		balancer kafka.Balancer
	}{
		{"Murmur2Balancer", kafka.Murmur2Balancer{}},
		{"Murmur2Balancer/Consistent", kafka.Murmur2Balancer{Consistent: true}},
		{"Hash", &kafka.Hash{}},
		{"ReferenceHash", &kafka.ReferenceHash{}},
		{"CRC32Balancer", kafka.CRC32Balancer{}},
		{"CRC32Balancer/Consistent", kafka.CRC32Balancer{Consistent: true}},
	} {
		clients = append(clients, client{"kafka-go " + it.name, func(key []byte, count int) int {
			return it.balancer.Balance(kafka.Message{Key: key}, numbers[:count]...)
		}})
	}
	for _, it := range []struct {
		name        string
		constructor sarama.PartitionerConstructor
	}{
		{"NewMurmur2Partitioner", sarama.NewMurmur2Partitioner},
		{"NewHashPartitioner", sarama.NewHashPartitioner},
		{"NewReferenceHashPartitioner", sarama.NewReferenceHashPartitioner},
	} {
		partitioner := it.constructor("t")
		clients = append(clients, client{"sarama " + it.name, func(key []byte, count int) int {
			message := &sarama.ProducerMessage{}
			if key != nil {
				message.Key = sarama.ByteEncoder(key)
			}
			partition, err := partitioner.Partition(message, int32(count))
			must(err)
			return int(partition)
		}})
	}

	var keys []string
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		keys = append(keys, lines.Text())
	}
	for _, client := range clients {
		for _, text := range keys {
			key := parse(text)
			fmt.Print(client.name, " ", text)
			for _, count := range []int{1, 2, 3, 6, 7, 100} {
				if varies(key, client.choose) {
					fmt.Print(" any")
				} else {
					fmt.Print(" ", client.choose(key, count))
				}
			}
			fmt.Println()
		}
	}

	// By size: 40 messages of different sizes, to 7 partitions.
	for _, it := range []struct {
		name     string
		balancer kafka.Balancer
	}{
		{"RoundRobin", &kafka.RoundRobin{}},
		{"RoundRobin/ChunkSize=3", &kafka.RoundRobin{ChunkSize: 3}},
		{"LeastBytes", &kafka.LeastBytes{}},
	} {
		fmt.Print("kafka-go ", it.name)
		for n := 0; n < 40; n++ {
			message := kafka.Message{Key: []byte("k"), Value: make([]byte, n*n%101)}
			fmt.Print(" ", it.balancer.Balance(message, numbers[:7]...))
		}
		fmt.Println()
	}
}

// Whether the choice is not made by the key.
func varies(key []byte, choose choose) bool {
	first := choose(key, 100)
	for n := 0; n < 64; n++ {
		if choose(key, 100) != first {
			return true
		}
	}
	return false
}

func parse(text string) []byte {
	if text == "null" {
		return nil
	}
	digits, times, repeats := strings.Cut(text, "*")
	once, err := hex.DecodeString(digits)
	must(err)
	if !repeats {
		return once
	}
	count, err := strconv.Atoi(times)
	must(err)
	return bytes.Repeat(once, count)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
