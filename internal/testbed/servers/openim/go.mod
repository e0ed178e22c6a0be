module github.com/openim-dr/openim-dr/internal/testbed/servers/openim

go 1.26.8
