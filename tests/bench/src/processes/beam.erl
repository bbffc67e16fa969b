%% A gen_server that holds a number: what a call, a start, memory, sleep and a call that wakes take, on average.
-module(beam).
-behaviour(gen_server).
-export([main/0, init/1, handle_call/3, handle_cast/2]).

init(Count) -> {ok, Count}.
handle_call({get, _Text}, _From, Count) -> {reply, Count, Count}.
handle_cast(hibernate, Count) -> {noreply, Count, hibernate}.

main() ->
    {ok, Hot} = gen_server:start(?MODULE, 0, []),
    Text = binary_to_list(binary:copy(<<"x">>, 100)),
    Call = each(fun(_) -> gen_server:call(Hot, {get, Text}) end, lists:seq(1, 300000)),
    Numbers = lists:seq(1, 200000),
    Before = memory(),
    {Took, All} = timer:tc(fun() ->
        [begin {ok, Pid} = gen_server:start(?MODULE, Number, []), Pid end || Number <- Numbers]
    end),
    Live = memory(),
    [gen_server:cast(Pid, hibernate) || Pid <- All],
    timer:sleep(2000),
    Asleep = memory(),
    Wake = each(fun(Pid) -> gen_server:call(Pid, {get, []}) end, All),
    Count = length(All),
    io:format("~.3f ~.3f ~.1f ~.1f ~.3f~n",
        [Call, Took / Count, (Live - Before) / Count, (Asleep - Before) / Count, Wake]),
    halt(0).

memory() -> erlang:garbage_collect(), erlang:memory(processes).

each(Do, List) ->
    {Took, _} = timer:tc(fun() -> lists:foreach(Do, List) end),
    Took / length(List).
