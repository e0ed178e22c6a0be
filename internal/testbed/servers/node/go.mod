module github.com/openim-dr/openim-dr/internal/testbed/servers/node

go 1.26.8
