#!/usr/bin/env escript
%% Runs schedules against OTP's own supervisor and prints what it did, in the format that
%% tests/supervision/schedule.rs describes. Reads schedules from standard input.
-module(trace).
-mode(compile).
-export([main/1, init/1, start/1]).

main(_) ->
    logger:set_primary_config(level, none),
    process_flag(trap_exit, true),
    ets:new(log, [named_table, public, ordered_set]),
    ets:new(fail, [named_table, public, set]),
    read(none, []).

read(Flags, Children) ->
    case io:get_line("") of
        eof -> ok;
        Line ->
            case string:lexemes(string:trim(Line), " ") of
                ["sup", Strategy, Intensity, Auto] ->
                    read(#{strategy => list_to_atom(Strategy), intensity => list_to_integer(Intensity),
                           period => 1000000, auto_shutdown => list_to_atom(Auto)}, []);
                ["child" | Spec] -> read(Flags, [child(Spec) | Children]);
                ["fail", Id, Times] -> fail(Id, Times), read(Flags, Children);
                ["go"] -> go(Flags, lists:reverse(Children)), read(none, []);
                [] -> read(Flags, Children)
            end
    end.

child([Id, Restart, Shutdown, Significant]) ->
    Stop = case Shutdown of "brutal" -> brutal_kill; "timeout" -> 60000 end,
    #{id => list_to_atom(Id), start => {?MODULE, start, [list_to_atom(Id)]}, restart => list_to_atom(Restart),
      shutdown => Stop, significant => list_to_atom(Significant)}.

fail(Id, Times) -> ets:insert(fail, {list_to_atom(Id), list_to_integer(Times)}).

go(Flags, Children) ->
    case supervisor:start_link(?MODULE, {Flags, Children}) of
        {ok, Sup} ->
            settle(Sup),
            steps(Sup);
        {error, _} ->
            receive {'EXIT', _, _} -> ok after 0 -> ok end,
            print(),
            io:put_chars("! start_failed\n"),
            skip()
    end,
    ets:delete_all_objects(fail),
    io:put_chars("end\n").

init({Flags, Children}) -> {ok, {Flags, Children}}.

%% A step is a line; whatever it leads to is printed after it.
steps(Sup) ->
    Line = string:trim(io:get_line("")),
    case string:lexemes(Line, " ") of
        ["end"] ->
            case is_process_alive(Sup) of
                true -> exit(Sup, shutdown), gone(Sup);
                false -> ok
            end;
        Step ->
            io:put_chars(["> ", Line, "\n"]),
            case is_process_alive(Sup) of
                true -> step(Sup, Step), settle(Sup);
                false -> ok
            end,
            steps(Sup)
    end.

skip() ->
    case string:trim(io:get_line("")) of "end" -> ok; _ -> skip() end.

step(_Sup, ["fail", Id, Times]) -> fail(Id, Times);
step(Sup, ["crash", Id, Reason]) ->
    case lists:keyfind(list_to_atom(Id), 1, supervisor:which_children(Sup)) of
        {_, Pid, _, _} when is_pid(Pid) ->
            case Reason of
                "kill" -> exit(Pid, kill);
                _ -> Pid ! {crash, list_to_atom(Reason)}
            end,
            noticed(Sup, Pid);
        _ -> ok
    end;
step(Sup, ["start" | Spec]) -> reply(catch supervisor:start_child(Sup, child(Spec)));
step(Sup, ["terminate", Id]) -> reply(catch supervisor:terminate_child(Sup, list_to_atom(Id)));
step(Sup, ["restart", Id]) -> reply(catch supervisor:restart_child(Sup, list_to_atom(Id)));
step(Sup, ["delete", Id]) -> reply(catch supervisor:delete_child(Sup, list_to_atom(Id))).

reply(ok) -> log("< ok");
reply({ok, _}) -> log("< ok");
reply({error, {already_started, _}}) -> log("< already_started");
reply({error, Reason}) when is_atom(Reason), Reason =/= planned -> log(["< ", atom_to_list(Reason)]);
reply({error, _}) -> log("< start_failed").

%% Waits until the supervisor has handled the end of a child: only then it is off its list.
noticed(Sup, Pid) ->
    case catch supervisor:which_children(Sup) of
        {'EXIT', _} -> ok;
        Children ->
            case lists:keymember(Pid, 2, Children) of
                true -> timer:sleep(1), noticed(Sup, Pid);
                false -> ok
            end
    end.

%% Waits until nothing is restarting, then prints what happened and the children.
settle(Sup) ->
    case catch supervisor:which_children(Sup) of
        {'EXIT', _} -> gone(Sup);
        Children ->
            case lists:keymember(restarting, 2, Children) of
                true -> settle(Sup);
                false ->
                    print(),
                    io:put_chars(["=", [[" ", atom_to_list(Id), state(Pid)] || {Id, Pid, _, _} <- lists:reverse(Children)], "\n"])
            end
    end.

state(Pid) when is_pid(Pid) -> ":up";
state(undefined) -> ":down".

gone(Sup) ->
    receive {'EXIT', Sup, Reason} -> log(["! ", atom_to_list(Reason)]) end,
    print().

print() ->
    [io:put_chars([Line, "\n"]) || {_, Line} <- ets:tab2list(log)],
    ets:delete_all_objects(log).

log(Line) -> ets:insert(log, {erlang:unique_integer([monotonic]), Line}).

%% Runs in the supervisor.
start(Id) ->
    case ets:lookup(fail, Id) of
        [{_, Times}] when Times > 0 ->
            ets:insert(fail, {Id, Times - 1}),
            log(["x ", atom_to_list(Id)]),
            {error, planned};
        _ ->
            log(["+ ", atom_to_list(Id)]),
            Parent = self(),
            Pid = spawn_link(fun() -> process_flag(trap_exit, true), Parent ! {ready, self()}, loop(Id) end),
            receive {ready, Pid} -> {ok, Pid} end
    end.

loop(Id) ->
    receive
        {crash, Reason} -> exit(Reason);
        {'EXIT', _, Reason} -> log(["- ", atom_to_list(Id)]), exit(Reason)
    end.
